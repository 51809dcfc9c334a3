"""Conversions in MLflow: logged and registered once, with tags that lead back to the source, and signed by choice."""

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import LoggedModelStatus

from aegis.errors import NotVerifiedError
from contracts import Exit
from tests.support.local_signer import LocalSigner
from tests.support.signed_version import evidence_of
from tests.support.tracking_store import Experiment
from workloads.cli import WorkloadError
from workloads.conversion import candidates
from workloads.conversion.conversion import Converted, Destination, convert
from workloads.conversion.network import Network
from workloads.conversion.registration import Signing
from workloads.conversion.request import DEFAULT_LIMITS, Limits, NotEqualError, Precision, Request
from workloads.mlflow_client import Tracking
from workloads.registry.selection import select_best_run
from workloads.release import model
from workloads.release.bucket import Bucket
from workloads.signing.verification import verify


@pytest.fixture
def run_id(experiment: Experiment, model_dir: Path) -> str:
    """A finished run that logged the model."""
    run = experiment.run({"val/accuracy": 0.9})
    experiment.log_model(run, model_dir)
    return run


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a model is converted."""

    def export(_network: Network, _inputs: np.ndarray, _path: Path, _opset: int) -> None:
        raise AssertionError("a model was converted again")

    monkeypatch.setattr(candidates, "export", export)


def test_a_conversion_is_registered_with_tags_that_lead_to_its_source(
    exported_before: None, tracking: Tracking, run_id: str, name: str, pictures: np.ndarray
) -> None:
    source = model.find(tracking, run_id)
    done = convert(_request(f"runs:/{run_id}"), Destination(tracking=tracking, register=name))
    assert {precision: (one.name, one.version) for precision, one in done.versions.items()} == {
        "fp32": (name, "1"),
        "int8": (f"{name}-int8", "1"),
    }
    version = tracking.client.get_model_version(name, "1")
    comparison = done.report.models["fp32"].comparison
    assert version.tags == {
        "aegis.source.run": run_id,
        "aegis.source.model": source.model_id,
        "aegis.source.sha256": done.report.source.content_sha256,
        "aegis.conversion.key": done.report.key,
        "aegis.onnx.precision": "fp32",
        "aegis.onnx.opset": "18",
        "aegis.onnx.samples": "360 of digits validation",
        "aegis.onnx.max_difference": f"{comparison.max_difference:.6g}",
        "aegis.onnx.agreement": "1",
    }
    assert version.run_id == done.run_id
    served = mlflow.pyfunc.load_model(f"models:/{name}/1")
    assert served.metadata.model_id == done.model_ids["fp32"]
    assert served.predict(pictures[:3])["output"].shape == (3, 10)


def test_the_conversion_is_a_run_beside_the_one_that_trained(
    exported_before: None, tracking: Tracking, experiment: Experiment, run_id: str
) -> None:
    trained_model = model.find(tracking, run_id)
    done = convert(_request(run_id), Destination(tracking=tracking))
    run = tracking.client.get_run(done.run_id or "")
    assert (run.info.status, run.info.experiment_id) == ("FINISHED", experiment.id)
    assert run.data.tags["mlflow.parentRunId"] == run_id
    assert run.data.metrics["onnx/int8/agreement"] >= 0.97
    assert run.inputs
    assert run.outputs
    assert [entry.model_id for entry in run.inputs.model_inputs] == [trained_model.model_id]
    assert {entry.model_id for entry in run.outputs.model_outputs} == set(done.model_ids.values())
    path = tracking.client.download_artifacts(run.info.run_id, "report.json")
    assert json.loads(Path(path).read_text())["key"] == done.report.key
    assert model.find(tracking, run_id) == trained_model
    assert select_best_run(tracking, experiment.name, "val/accuracy", maximize=True).run_id == run_id


def test_the_same_source_and_options_are_registered_once(
    exported_before: None,
    tracking: Tracking,
    experiment: Experiment,
    run_id: str,
    name: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    first = convert(_request(run_id), Destination(tracking=tracking))
    request.getfixturevalue("no_export")
    second = convert(_request(run_id), Destination(tracking=tracking, register=name, out=tmp_path / "out"))
    assert second.reused
    assert (second.run_id, second.model_ids) == (first.run_id, first.model_ids)
    assert (tmp_path / "out" / "int8" / "model.onnx").stat().st_size == second.report.models["int8"].size_bytes
    found = model.find(tracking, run_id)
    tracking.client.create_registered_model(f"{name}-source")
    tracking.client.create_model_version(f"{name}-source", found.source, run_id, model_id=found.model_id)
    tracking.client.set_registered_model_alias(f"{name}-source", "champion", "1")
    for source in (f"models:/{name}-source/1", f"models:/{name}-source@champion", f"models:/{found.model_id}"):
        again = convert(_request(source), Destination(tracking=tracking, register=name))
        assert again.versions == second.versions
    assert len(tracking.client.search_model_versions(f"name = '{name}'")) == 1
    tags = tracking.client.get_model_version(name, "1").tags
    assert tags["aegis.source.version"] == f"{name}-source/1"


def _request(source: str) -> Request:
    return Request(source=source, precisions=("fp32", "int8"))


def test_a_version_of_a_run_s_artifacts_is_converted(
    exported_before: None, tracking: Tracking, experiment: Experiment, model_dir: Path, name: str
) -> None:
    run_id = experiment.run({}, status=None)
    tracking.client.log_artifacts(run_id, str(model_dir), "model")
    folder = f"{tracking.client.get_run(run_id).info.artifact_uri}/model"
    tracking.client.create_registered_model(name)
    tracking.client.create_model_version(name, folder, run_id)
    done = convert(Request(source=f"models:/{name}/1", max_samples=20), Destination(tracking=tracking))
    assert (done.report.source.run_id, done.report.source.model_id) == (run_id, None)
    assert done.report.source.version == f"{name}/1"


def test_other_limits_are_another_conversion(exported_before: None, tracking: Tracking, run_id: str, name: str) -> None:
    convert(Request(source=run_id), Destination(tracking=tracking, register=name))
    strict: dict[Precision, Limits] = {
        **DEFAULT_LIMITS,
        "fp32": Limits(max_difference=0.0, min_agreement=1.0, max_loss=None),
    }
    with pytest.raises(NotEqualError):
        convert(Request(source=run_id, limits=strict), Destination(tracking=tracking, register=name))
    assert len(tracking.client.search_model_versions(f"name = '{name}'")) == 1


def test_a_model_over_its_limits_is_neither_logged_nor_registered(
    exported_before: None, tracking: Tracking, experiment: Experiment, run_id: str, name: str
) -> None:
    strict: dict[Precision, Limits] = {
        **DEFAULT_LIMITS,
        "int8": Limits(max_difference=0.0, min_agreement=1.0, max_loss=None),
    }
    asked = Request(source=run_id, precisions=("fp32", "int8"), limits=strict)
    with pytest.raises(NotEqualError, match="int8"):
        convert(asked, Destination(tracking=tracking, register=name))
    assert [run.info.run_id for run in tracking.client.search_runs([experiment.id])] == [run_id]
    assert len(tracking.client.search_logged_models([experiment.id])) == 1
    assert tracking.client.search_registered_models(f"name = '{name}'") == []


def test_a_conversion_that_was_cut_off_is_made_again(
    exported_before: None, tracking: Tracking, experiment: Experiment, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(tracking.client, "log_text", full)
        with pytest.raises(WorkloadError, match="No space left on device") as error:
            convert(Request(source=run_id), Destination(tracking=tracking))
        assert error.value.code == Exit.OBJECT_STORE
    [failed] = [run for run in tracking.client.search_runs([experiment.id]) if run.info.run_id != run_id]
    assert failed.info.status == "FAILED"
    done = convert(Request(source=run_id), Destination(tracking=tracking))
    assert not done.reused
    logged = tracking.client.get_logged_model(done.model_ids["fp32"] or "")
    assert logged.status == LoggedModelStatus.READY


def signed(tracking: Tracking, releases: Bucket, signer: LocalSigner, source: str, name: str) -> Converted:
    signing = Signing(signer=signer, store=releases)
    return convert(_request(source), Destination(tracking=tracking, register=name, signing=signing))


def test_versions_are_signed_as_a_release_signs_them(
    exported_before: None,
    tracking: Tracking,
    releases: Bucket,
    run_id: str,
    name: str,
    tmp_path: Path,
) -> None:
    signer = LocalSigner()
    done = signed(tracking, releases, signer, run_id, name)
    assert signed(tracking, releases, signer, run_id, name).versions == done.versions
    for precision, version in done.versions.items():
        tags = tracking.client.get_model_version(version.name, version.version).tags
        assert tags["aegis.archive.uri"] == version.archive
        assert tags["aegis.source.run"] == run_id
        copy = tmp_path / precision
        copy.mkdir()
        folder = (version.archive or "").removeprefix("s3://releases/").removesuffix("/model.tar.gz")
        for entry in releases.client.list_objects_v2(Bucket="releases", Prefix=folder)["Contents"]:
            releases.client.download_file("releases", entry["Key"], str(copy / Path(entry["Key"]).name))
        manifest = verify(copy / "model.tar.gz", [signer.public_key()], copy / "files").manifest
        assert manifest.source["converted_from"]["run_id"] == run_id
        assert manifest.source["model_id"] == done.model_ids[precision]
        assert manifest.source["parity"]["samples"] == 360
        assert (copy / "files" / "model.onnx").is_file()


def test_only_a_conversion_that_was_signed_before_is_signed_again(
    exported_before: None, tracking: Tracking, releases: Bucket, run_id: str, name: str
) -> None:
    signer = LocalSigner()
    unsigned = convert(_request(run_id), Destination(tracking=tracking, register=name))
    first = signed(tracking, releases, signer, run_id, name)
    assert (first.reused, first.versions["fp32"].version) == (False, "2")
    # A later conversion of the same model, which anyone may have logged, does not hide the signed one.
    other = signed(tracking, releases, LocalSigner(), run_id, name)
    assert (other.reused, other.versions["fp32"].version) == (False, "3")
    again = signed(tracking, releases, signer, run_id, name)
    assert (again.reused, again.run_id, again.versions) == (True, first.run_id, first.versions)
    assert unsigned.run_id != first.run_id


@pytest.mark.parametrize("changed", ["weights", "figures"])
def test_a_signed_conversion_that_was_changed_is_made_again(
    exported_before: None, tracking: Tracking, releases: Bucket, run_id: str, name: str, changed: str
) -> None:
    signer = LocalSigner()
    first = signed(tracking, releases, signer, run_id, name)
    if changed == "weights":
        stored = tracking.client.get_logged_model(first.model_ids["fp32"] or "").artifact_location
        weights = Path(stored.removeprefix("file://"), "model.onnx")
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    else:
        report = json.loads(first.report.to_json())
        report["models"]["fp32"]["comparison"]["max_difference"] = 0.0
        tracking.client.log_text(first.run_id or "", json.dumps(report), "report.json")
    second = signed(tracking, releases, signer, run_id, name)
    assert (second.reused, second.versions["fp32"].version) == (False, "2")


def test_files_that_are_changed_while_they_are_registered_are_not_signed(
    exported_before: None, tracking: Tracking, releases: Bucket, run_id: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = tracking.client.log_model_artifacts

    def upload_and_change(model_id: str, folder: str) -> None:
        upload(model_id, folder)
        location = tracking.client.get_logged_model(model_id).artifact_location
        Path(location.removeprefix("file://"), "model.onnx").write_bytes(b"another network")

    monkeypatch.setattr(tracking.client, "log_model_artifacts", upload_and_change)
    with pytest.raises(NotVerifiedError, match="are not those that were to be signed"):
        signed(tracking, releases, LocalSigner(), run_id, name)
    assert tracking.client.search_registered_models(f"name = '{name}'") == []


def released(tracking: Tracking, signer: LocalSigner, run_id: str, name: str, model_dir: Path) -> Path:
    """Register the run's model as a signed version 1 of `name` with the alias champion; return its stored files."""
    found, folder = model.find(tracking, run_id), model_dir.parent / name
    shutil.copytree(model_dir, folder)
    tags = evidence_of(folder, run_id, signer)
    tracking.client.create_registered_model(name)
    tracking.client.create_model_version(name, found.source, run_id, tags=tags, model_id=found.model_id)
    tracking.client.set_registered_model_alias(name, "champion", "1")
    return Path(found.location.removeprefix("file://"))


def test_only_a_version_that_verifies_is_converted_and_signed(
    exported_before: None,
    tracking: Tracking,
    releases: Bucket,
    run_id: str,
    model_dir: Path,
    name: str,
    request: pytest.FixtureRequest,
) -> None:
    signer = LocalSigner()
    stored = released(tracking, signer, run_id, f"{name}-source", model_dir)
    for source in (f"models:/{name}-source/1", f"models:/{name}-source@champion"):
        assert signed(tracking, releases, signer, source, name).versions["fp32"].name == name
    with pytest.raises(NotVerifiedError, match=f"{name}-source version 1 is NOT verified: .* isn't trusted"):
        signed(tracking, releases, LocalSigner(), f"models:/{name}-source/1", name)
    request.getfixturevalue("no_export")
    weights = next(stored.rglob("*.pt2"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(NotVerifiedError, match=r"\.pt2 was changed after it was signed"):
        signed(tracking, releases, signer, f"models:/{name}-source@champion", f"{name}-altered")
    assert tracking.client.search_registered_models(f"name = '{name}-altered'") == []


def test_an_unsigned_version_is_converted_but_not_signed(
    exported_before: None, tracking: Tracking, releases: Bucket, run_id: str, name: str
) -> None:
    found = model.find(tracking, run_id)
    tracking.client.create_registered_model(f"{name}-source")
    tracking.client.create_model_version(f"{name}-source", found.source, run_id, model_id=found.model_id)
    with pytest.raises(NotVerifiedError, match="it is not signed"):
        signed(tracking, releases, LocalSigner(), f"models:/{name}-source/1", name)
    assert convert(_request(f"models:/{name}-source/1"), Destination(tracking=tracking)).run_id


def test_a_missing_bucket_is_found_out_before_the_conversion(
    no_export: None, tracking: Tracking, releases: Bucket, run_id: str, name: str
) -> None:
    nowhere = Bucket(bucket="nowhere", client=releases.client)
    with pytest.raises(WorkloadError, match="s3://nowhere") as error:
        signed(tracking, nowhere, LocalSigner(), run_id, name)
    assert error.value.code == Exit.OBJECT_STORE
