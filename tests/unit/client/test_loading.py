"""Load, verify and download signed versions, and refuse every other one before its code runs."""

import gc
import os
import socket
from importlib import import_module
from pathlib import Path

import mlflow
import mlflow.pyfunc
import pytest
from mlflow.exceptions import MlflowException

import aegis
from aegis import NotVerifiedError, registry
from tests.support.signed_version import RUN_ID, Signed, evidence_of
from tests.support.tracking_store import Experiment, database
from workloads.mlflow_client import Tracking


@pytest.mark.parametrize("form", ["models:/{name}/{number}", "models:/{name}@champion", "models:/{name}/latest"])
@pytest.mark.parametrize("deep", [True, False])
def test_a_signed_version_verifies_by_each_form_of_its_address(signed: Signed, form: str, deep: bool) -> None:
    verified = aegis.verify(form.format(name=signed.name, number=signed.number), keys=signed.key, deep=deep)
    assert (verified.name, verified.version, verified.deep) == (signed.name, signed.number, deep)
    assert verified.key.fingerprint == signed.signer.public_key().fingerprint
    assert verified.manifest.source["run_id"] == RUN_ID


def test_a_version_of_a_logged_model_verifies(signed: Signed, tmp_path: Path) -> None:
    """The trainer and the release register `models:/m-...` as the source."""
    experiment = Experiment(Tracking(database(), create=True), tmp_path / "logged artifacts")
    run_id = experiment.run({})
    model_id = experiment.log_model(run_id, signed.files)
    version = signed.client.create_model_version(
        signed.name,
        source=f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        tags=evidence_of(signed.files, run_id, signed.signer),
    )
    assert aegis.verify(f"models:/{signed.name}/{version.version}", keys=signed.key).deep


def test_a_stage_names_its_newest_version(signed: Signed) -> None:
    with pytest.raises(MlflowException, match=r"No version of the model .* is in the stage 'Production'"):
        aegis.verify(f"models:/{signed.name}/Production", keys=signed.key)
    signed.client.transition_model_version_stage(signed.name, signed.number, "Production")
    assert aegis.verify(f"models:/{signed.name}/production", keys=signed.key).version == signed.number


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "digits",
        "models:/digits",
        "models:/m-0123abcd",
        "models:/digits/1/2",
        "models:/digits/",
        "models:/digits@",
        "models:/@champion",
        "models:/ /1",
        "models://profile/digits/1",
        "models:///digits/1",
        "runs:/0123/model",
        "/tmp/model",
    ],
)
def test_what_is_not_the_address_of_a_version_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a model version: allowed are"):
        aegis.verify(uri, keys="no-such-file.pem")


def test_a_model_is_loaded_from_private_files_that_go_with_it(signed: Signed, scratch: Path) -> None:
    model = aegis.load_model(f"models:/{signed.name}@champion", keys=signed.key)
    (folder,) = scratch.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert model.predict(21) == 42
    assert signed.marker.exists()
    del model
    gc.collect()
    assert list(scratch.iterdir()) == []


def test_a_forked_child_leaves_the_files_to_its_parent(signed: Signed, scratch: Path) -> None:
    model = aegis.load_model(signed.uri, keys=signed.key)
    child = os.fork()
    if child == 0:
        del model
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert len(list(scratch.iterdir())) == 1


@pytest.mark.parametrize("flavor", ["", "nonsense", "client", "py.func"])
def test_an_unknown_flavor_is_refused(signed: Signed, flavor: str) -> None:
    with pytest.raises(ValueError, match=f"flavor must be one that MLflow loads, .*got '{flavor}'"):
        aegis.load_model(signed.uri, keys=signed.key, flavor=flavor)


def test_a_flavor_loads_with_its_own_function_and_options(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of which no weak reference can be made, such as a dict, keeps its files until the process ends."""
    taken = {}
    monkeypatch.setattr(
        import_module("mlflow.sklearn"), "load_model", lambda path, **options: taken.update(options, path=path) or taken
    )
    model = aegis.load_model(signed.uri, keys=signed.key, flavor="sklearn", mode="strict")
    assert model["mode"] == "strict"
    assert Path(model["path"], "MLmodel").is_file()


def test_a_model_that_fails_to_load_leaves_no_files(
    signed: Signed, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str) -> None:
        raise RuntimeError("no GPU")

    monkeypatch.setattr(mlflow.pyfunc, "load_model", fail)
    with pytest.raises(RuntimeError, match="no GPU"):
        aegis.load_model(signed.uri, keys=signed.key)
    assert list(scratch.iterdir()) == []


def test_a_download_appears_complete_in_a_new_or_empty_folder(signed: Signed, tmp_path: Path) -> None:
    for target in (tmp_path / "deep" / "new", tmp_path / "empty folder"):
        if " " in target.name:
            target.mkdir()
        aegis.download(signed.uri, target, keys=signed.key)
        assert (target / "data" / "weights of é.bin").read_bytes() == bytes(range(256)) * 40
        assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []


def test_a_folder_of_the_user_is_never_touched(signed: Signed, tmp_path: Path) -> None:
    full, file, link = tmp_path / "full", tmp_path / "file", tmp_path / "link"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    file.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    for target in (full, file, link):
        with pytest.raises(FileExistsError, match="must be a new or empty folder"):
            aegis.download(signed.uri, target, keys=signed.key)
    signed.client.delete_model_version_tag(signed.name, signed.number, "aegis.manifest")
    empty = tmp_path / "emptied"
    empty.mkdir()
    with pytest.raises(NotVerifiedError):
        aegis.download(signed.uri, empty, keys=signed.key)
    assert (full / "thesis.txt").read_text() == "mine"
    assert empty.is_dir()


def test_files_swapped_between_the_listing_and_the_download_are_found(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = registry.fetch

    def swap_and_fetch(*arguments: object) -> None:
        (signed.files / "data" / "weights of é.bin").write_bytes(bytes(256) * 40)
        fetch(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "fetch", swap_and_fetch)
    with pytest.raises(NotVerifiedError, match="was changed after it was signed"):
        aegis.download(signed.uri, tmp_path / "copy", keys=signed.key)
    assert not (tmp_path / "copy").exists()


def test_a_server_that_hangs_is_given_up_on(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        try:
            mlflow.set_tracking_uri(f"http://127.0.0.1:{server.getsockname()[1]}")
            with pytest.raises(MlflowException, match="timed out"):
                aegis.load_model("models:/net@champion", keys=signed.key)
        finally:
            mlflow.set_tracking_uri(signed.client.tracking_uri)


def test_a_folder_in_place_of_a_database_is_a_registry_too(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's folder gives version numbers as integers, where its server gives text."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
        client = mlflow.MlflowClient()
        client.create_registered_model(signed.name)
        client.create_model_version(signed.name, signed.files.as_uri(), RUN_ID, tags=signed.tags)
        client.set_registered_model_alias(signed.name, "champion", "1")
        verified = aegis.verify(f"models:/{signed.name}@champion", keys=signed.key)
        assert (verified.version, verified.deep) == ("1", True)
    finally:
        mlflow.set_tracking_uri(signed.client.tracking_uri)
