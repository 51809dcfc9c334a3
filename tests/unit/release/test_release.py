import dataclasses
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import aegis
from aegis import evidence
from aegis.errors import NotVerifiedError
from contracts import Exit
from tests.support.fake_vault import TOKEN, fake_vault
from tests.support.local_signer import LocalSigner
from tests.support.tracking_store import Experiment
from workloads import cli, retry
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.object_store import s3
from workloads.registry.decisions.history import history
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import accept
from workloads.release import job, model, run, store
from workloads.release.bucket import Bucket
from workloads.release.folder import Folder
from workloads.release.job import Order, Released
from workloads.signing.keys import KeyRing
from workloads.signing.verification import verify


@pytest.fixture
def order(experiment: Experiment, tmp_path: Path) -> Order:
    return Order(
        experiment_name=experiment.name,
        metric="val/accuracy",
        maximize=True,
        model_name=f"net-{experiment.name}",
        work_dir=tmp_path / "work",
    )


@pytest.fixture
def trained(experiment: Experiment, model_dir: Path) -> str:
    run_id = experiment.run({"val/accuracy": 0.9}, commit="c0ffee")
    experiment.log_model(run_id, model_dir)
    experiment.run({"val/accuracy": 0.1})
    return run_id


class DeadSigner(LocalSigner):
    def sign(self, digests: object, version: int) -> list[bytes]:
        raise WorkloadError("Vault is gone", Exit.VAULT)


class RevokedSigner(LocalSigner):
    """Shares the keys of another signer, and keeps the versions before `oldest` to itself, as Vault does."""

    def __init__(self, signer: LocalSigner, oldest: int) -> None:
        self._keys = signer._keys
        self.oldest = oldest

    def key_ring(self) -> KeyRing:
        ring = super().key_ring()
        trusted = {version: key for version, key in ring.versions.items() if version >= self.oldest}
        return KeyRing(latest=ring.latest, versions=trusted)


def objects(releases: Bucket) -> dict[str, bytes]:
    listed: list[dict[str, Any]] = releases.client.list_objects_v2(Bucket=releases.bucket).get("Contents", [])
    return {
        entry["Key"]: releases.client.get_object(Bucket=releases.bucket, Key=entry["Key"])["Body"].read()
        for entry in listed
    }


def versions(tracking: Tracking, name: str) -> list[Any]:
    return list(tracking.client.search_model_versions(f"name = '{name}'"))


def test_the_best_run_becomes_a_signed_version(
    tracking: Tracking,
    releases: Bucket,
    signer: LocalSigner,
    order: Order,
    trained: str,
    model_dir: Path,
    tmp_path: Path,
) -> None:
    released = job.release(order, tracking, signer, releases)
    assert (released.run_id, released.value, released.version, released.verified) == (trained, 0.9, "1", True)
    [version] = versions(tracking, order.model_name)
    assert version.run_id == trained
    assert version.tags["aegis.archive.uri"] == released.archive
    assert version.tags["aegis.archive.sha256"] == released.sha256
    assert version.tags["aegis.key.version"] == "1"
    stored = objects(releases)
    folder = f"{order.model_name}/{released.sha256}"
    assert stored.pop(f"{order.model_name}/decisions/00000001.json")
    assert set(stored) == {
        f"{folder}/{name}"
        for name in (
            "model.tar.gz",
            "model.tar.gz.sig",
            "model.tar.gz.sigstore.json",
            "model.tar.gz.manifest.json",
            "model.tar.gz.manifest.json.sig",
            "model.sig",
            "cosign-v1.pub",
        )
    }
    copy = tmp_path / "copy"
    copy.mkdir()
    for key, content in stored.items():
        (copy / key.rpartition("/")[2]).write_bytes(content)
    verified = verify(copy / "model.tar.gz", [signer.public_key()], tmp_path / "extracted")
    assert verified.manifest.source["git_commit"] == "c0ffee"
    assert (tmp_path / "extracted/data/weights.bin").read_bytes() == (model_dir / "data/weights.bin").read_bytes()
    assert list(order.work_dir.iterdir()) == []


def test_the_release_becomes_the_candidate_by_a_signed_decision(
    tracking: Tracking, releases: Bucket, signer: LocalSigner, order: Order, trained: str
) -> None:
    job.release(order, tracking, signer, releases)
    assert tracking.client.get_model_version_by_alias(order.model_name, "candidate").run_id == trained
    found = history(tracking, releases, order.model_name, [signer.public_key()])
    assert found.verified
    assert [(record.decision.action, record.decision.reason) for record in found.records] == [("nominate", "released")]


def test_a_release_can_be_kept_in_a_folder(
    tracking: Tracking, signer: LocalSigner, order: Order, trained: str, tmp_path: Path
) -> None:
    folder = Folder(root=tmp_path / "releases")
    released = job.release(order, tracking, signer, folder)
    assert job.release(order, tracking, signer, folder).archive == released.archive
    archive = Path(released.archive.removeprefix("file://"))
    assert archive.is_relative_to(folder.root / order.model_name)
    verify(archive, [signer.public_key()])
    assert history(tracking, folder, order.model_name, [signer.public_key()]).verified


def test_releasing_again_changes_nothing(
    tracking: Tracking, releases: Bucket, signer: LocalSigner, order: Order, trained: str
) -> None:
    first = job.release(order, tracking, signer, releases)
    before = objects(releases), versions(tracking, order.model_name)[0].tags
    second = job.release(order, tracking, signer, releases)
    assert (objects(releases), versions(tracking, order.model_name)[0].tags) == before
    assert (second.version, second.sha256, second.key_version) == (first.version, first.sha256, 1)
    assert len(versions(tracking, order.model_name)) == 1


def test_releasing_again_after_a_rotation_signs_again(
    tracking: Tracking,
    signer: LocalSigner,
    order: Order,
    trained: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Afterwards, the first key version can be revoked."""
    releases = Folder(root=tmp_path / "releases")
    first = job.release(order, tracking, signer, releases)
    signer.rotate()
    second = job.release(order, tracking, signer, releases)
    assert (second.version, second.sha256, second.archive) == (first.version, first.sha256, first.archive)
    assert (first.key_version, second.key_version) == (1, 2)
    newest = [signer.public_key(2)]
    verify(Path(second.archive.removeprefix("file://")), newest)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    key = tmp_path / "cosign-v2.pub"
    key.write_bytes(newest[0].pem)
    verified = aegis.verify(f"models:/{order.model_name}@candidate", keys=key)
    assert (verified.version, verified.signed_by.version) == ("1", 2)
    [version] = versions(tracking, order.model_name)
    # What the tracking server's gate checks.
    assert evidence.check(version, newest).signed_by.version == 2
    assert (version.tags["aegis.key.version"], version.tags["aegis.key.fingerprint"]) == ("2", newest[0].fingerprint)
    found = history(tracking, releases, order.model_name, newest)
    assert (found.problems, [record.decision.action for record in found.records]) == ([], ["nominate", "accept"])


def test_a_given_run_is_signed_again_after_a_rotation_though_it_is_not_the_best_any_more(
    tracking: Tracking, signer: LocalSigner, order: Order, trained: str, experiment: Experiment, tmp_path: Path
) -> None:
    releases = Folder(root=tmp_path / "releases")
    job.release(order, tracking, signer, releases)
    experiment.run({"val/accuracy": 0.99})
    signer.rotate()
    again = job.release(dataclasses.replace(order, run_id=trained), tracking, signer, releases)
    assert (again.run_id, again.version, again.key_version, again.value) == (trained, "1", 2, 0.9)
    [version] = versions(tracking, order.model_name)
    assert evidence.check(version, [signer.public_key(2)]).signed_by.version == 2


def test_a_run_that_can_not_be_released_is_named(
    tracking: Tracking, releases: Bucket, signer: LocalSigner, order: Order, experiment: Experiment, tmp_path: Path
) -> None:
    failed = experiment.run({"val/accuracy": 0.9}, status="FAILED")
    without = experiment.run({"loss": 0.9})
    elsewhere = Experiment(tracking, tmp_path / "artifacts").run({"val/accuracy": 0.9})
    for run_id, said in {
        failed: f"The run {failed} must be FINISHED, but is FAILED.",
        without: f"The run {without} has no finite metric 'val/accuracy'; it has: loss.",
        elsewhere: f"The experiment {experiment.name!r} has no run {elsewhere!r}.",
        "0" * 32: f"The experiment {experiment.name!r} has no run {'0' * 32!r}.",
    }.items():
        with pytest.raises(WorkloadError) as refused:
            job.release(dataclasses.replace(order, run_id=run_id), tracking, signer, releases)
        assert (str(refused.value), refused.value.code) == (said, Exit.NO_RUN)


def test_a_release_after_a_revocation_says_how_to_accept_the_last_decision(
    tracking: Tracking, signer: LocalSigner, order: Order, trained: str, tmp_path: Path
) -> None:
    releases = Folder(root=tmp_path / "releases")
    job.release(order, tracking, signer, releases)
    signer.rotate()
    revoked = RevokedSigner(signer, oldest=2)
    with pytest.raises(NotVerifiedError) as failure:
        job.release(order, tracking, revoked, releases)
    told = re.fullmatch(
        rf"{order.model_name} version 1 is signed and registered, but is not the candidate yet: record 1 .*"
        rf"`python -m workloads\.registry history {order.model_name} --accept-head ([0-9a-f]{{64}})`\. Then release it "
        rf"again, or run `python -m workloads\.registry nominate {order.model_name} 1`",
        str(failure.value),
    )
    assert told is not None
    newest = [signer.public_key(2)]
    ledger = Ledger(model=order.model_name, tracking=tracking, store=releases, signer=revoked, trusted=newest)
    accept(ledger, told[1])
    assert job.release(order, tracking, revoked, releases).key_version == 2
    assert history(tracking, releases, order.model_name, newest).problems == []


@pytest.mark.parametrize("lost", ["model.tar.gz", "model.tar.gz.sigstore.json", "model.tar.gz.manifest.json"])
def test_a_half_upload_is_completed(
    tracking: Tracking, releases: Bucket, signer: LocalSigner, order: Order, trained: str, lost: str
) -> None:
    first = job.release(order, tracking, signer, releases)
    before = objects(releases)
    releases.client.delete_object(Bucket="releases", Key=f"{order.model_name}/{first.sha256}/{lost}")
    job.release(order, tracking, signer, releases)
    assert objects(releases).keys() == before.keys()
    assert len(versions(tracking, order.model_name)) == 1


def test_a_spoilt_signature_in_the_store_is_replaced(
    tracking: Tracking, releases: Bucket, signer: LocalSigner, order: Order, trained: str
) -> None:
    first = job.release(order, tracking, signer, releases)
    key = f"{order.model_name}/{first.sha256}/model.tar.gz.sig"
    releases.client.put_object(Bucket="releases", Key=key, Body=b"c3BvaWx0")
    job.release(order, tracking, signer, releases)
    assert objects(releases)[key] != b"c3BvaWx0"


def test_a_version_that_the_training_registered_is_used(
    tracking: Tracking, releases: Bucket, signer: LocalSigner, order: Order, trained: str
) -> None:
    tracking.client.create_registered_model(order.model_name)
    found = model.find(tracking, trained)
    tracking.client.create_model_version(order.model_name, found.source, trained, model_id=found.model_id)
    assert job.release(order, tracking, signer, releases).version == "1"
    [version] = versions(tracking, order.model_name)
    assert version.tags["aegis.key.name"] == "aegis-cosign"


def overwritten(tracking: Tracking, run_id: str, path: str, content: bytes | None) -> None:
    """Change or delete a file of the run's model in its artifact store."""
    file = Path(urlsplit(model.find(tracking, run_id).location).path) / path
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "content", "tags_are_kept"),
    [
        ("data/weights.bin", b"other", True),
        ("data/weights.bin", b"other", False),
        ("data/weights.bin", None, True),
        ("added", b"", True),
    ],
)
def test_a_version_is_never_released_with_other_bytes(
    tracking: Tracking,
    releases: Bucket,
    signer: LocalSigner,
    order: Order,
    trained: str,
    path: str,
    content: bytes | None,
    tags_are_kept: bool,
) -> None:
    job.release(order, tracking, signer, releases)
    [version] = versions(tracking, order.model_name)
    if not tags_are_kept:
        for tag in version.tags:
            tracking.client.delete_model_version_tag(order.model_name, "1", tag)
    before = objects(releases), versions(tracking, order.model_name)[0].tags
    overwritten(tracking, trained, path, content)
    with pytest.raises(NotVerifiedError, match=r"version \d+ was released with other bytes") as error:
        job.release(order, tracking, DeadSigner(), releases)
    assert f"{order.model_name} version 1" in str(error.value)
    assert (objects(releases), versions(tracking, order.model_name)[0].tags) == before


def test_two_runs_with_the_same_bytes_have_a_manifest_each(
    tracking: Tracking,
    releases: Bucket,
    signer: LocalSigner,
    order: Order,
    trained: str,
    experiment: Experiment,
    model_dir: Path,
) -> None:
    first = job.release(order, tracking, signer, releases)
    before = objects(releases)
    better = experiment.run({"val/accuracy": 0.95})
    experiment.log_model(better, model_dir)
    for _ in range(2):
        second = job.release(order, tracking, signer, releases)
        assert (second.version, second.sha256) == ("2", first.sha256)
        assert second.archive != first.archive
        stored = objects(releases)
        manifest = stored[f"{second.archive.removeprefix('s3://releases/')}.manifest.json"]
        assert json.loads(manifest)["source"]["run_id"] == better
        assert json.loads(manifest)["source"]["value"] == 0.95
        assert {key: stored[key] for key in before} == before


def test_a_better_run_becomes_the_next_version(
    tracking: Tracking,
    releases: Bucket,
    signer: LocalSigner,
    order: Order,
    trained: str,
    experiment: Experiment,
    model_dir: Path,
) -> None:
    job.release(order, tracking, signer, releases)
    (model_dir / "data" / "weights.bin").write_bytes(b"better")
    experiment.log_model(experiment.run({"val/accuracy": 0.95}), model_dir)
    assert job.release(order, tracking, signer, releases).version == "2"


def test_the_last_model_of_a_run_is_released(tracking: Tracking, experiment: Experiment, model_dir: Path) -> None:
    run_id = experiment.run({"val/accuracy": 0.9})
    models = [experiment.log_model(run_id, model_dir, step) for step in (1, 3, 2)]
    assert model.find(tracking, run_id).model_id == models[1]


def test_a_model_among_the_run_s_artifacts_is_released(
    tracking: Tracking,
    releases: Bucket,
    signer: LocalSigner,
    order: Order,
    experiment: Experiment,
    model_dir: Path,
) -> None:
    run_id = experiment.run({"val/accuracy": 0.9}, status=None)
    experiment.client.log_artifacts(run_id, str(model_dir), "model")
    experiment.client.set_terminated(run_id)
    assert job.release(order, tracking, signer, releases).run_id == run_id


def test_a_run_without_a_model_is_not_released(
    tracking: Tracking, releases: Bucket, signer: LocalSigner, order: Order, experiment: Experiment
) -> None:
    experiment.run({"val/accuracy": 0.9})
    with pytest.raises(WorkloadError, match="has logged no model") as error:
        job.release(order, tracking, signer, releases)
    assert error.value.code == Exit.NO_RUN
    assert objects(releases) == {}


def test_a_model_without_files_is_named_at_once(
    tracking: Tracking,
    releases: Bucket,
    signer: LocalSigner,
    order: Order,
    experiment: Experiment,
    tmp_path: Path,
) -> None:
    (tmp_path / "empty").mkdir()
    run_id = experiment.run({"val/accuracy": 0.9})
    model_id = experiment.log_model(run_id, tmp_path / "empty")
    with pytest.raises(WorkloadError) as error:
        job.release(order, tracking, signer, releases)
    assert error.value.code == Exit.NO_RUN
    assert f"models:/{model_id} of the run {run_id} has no files" in str(error.value)


def test_a_model_that_was_deleted_is_not_released(tracking: Tracking, experiment: Experiment, model_dir: Path) -> None:
    run_id = experiment.run({"val/accuracy": 0.9})
    models = [experiment.log_model(run_id, model_dir, step) for step in (1, 2)]
    tracking.client.delete_logged_model(models[1])
    assert model.find(tracking, run_id).model_id == models[0]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("nosuch://host/model", "Could not find a registered artifact repository"),
        ("mlflow-artifacts:/1/model", "the tracking URI must be a valid http or https URI"),
    ],
)
def test_a_place_that_no_client_can_reach_is_refused_at_once(
    tracking: Tracking, tmp_path: Path, location: str, words: str
) -> None:
    unreachable = model.RunModel(run_id="r", source="models:/m", location=location, model_id="m")
    with pytest.raises(WorkloadError, match=words) as error:
        model.download(tracking, unreachable, tmp_path / "files")
    assert error.value.code == Exit.OBJECT_STORE
    assert "refuses" in str(error.value)


def test_a_work_directory_that_is_a_file_is_named(
    tracking: Tracking, releases: Bucket, signer: LocalSigner, order: Order, trained: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkloadError, match="file cannot be written: File exists"):
        job.release(dataclasses.replace(order, work_dir=tmp_path / "file"), tracking, signer, releases)


def test_nothing_is_stored_or_registered_when_the_signer_dies(
    tracking: Tracking, releases: Bucket, order: Order, trained: str
) -> None:
    with pytest.raises(WorkloadError, match="Vault is gone"):
        job.release(order, tracking, DeadSigner(), releases)
    assert objects(releases) == {}
    assert versions(tracking, order.model_name) == []
    assert list(order.work_dir.iterdir()) == []


def test_a_missing_bucket_is_found_out_first(
    tracking: Tracking, releases: Bucket, signer: LocalSigner, order: Order, trained: str
) -> None:
    nowhere = Bucket(bucket="nowhere", client=releases.client)
    with pytest.raises(WorkloadError, match="s3://nowhere at AWS can't be used: HeadBucket is refused: 404") as error:
        job.release(order, tracking, signer, nowhere)
    assert error.value.code == Exit.OBJECT_STORE


def test_a_dead_object_store_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, tracking: Tracking, signer: LocalSigner, order: Order, trained: str
) -> None:
    for name, value in {
        "AEGIS_RELEASES_BUCKET": "releases",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-west-2",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3, "ATTEMPTS", 2)
    with pytest.raises(WorkloadError, match=r"s3://releases at http://127\.0\.0\.1:1 can't be used") as error:
        job.release(order, tracking, signer, store.from_environment())
    assert error.value.code == Exit.OBJECT_STORE
    assert "\n" not in str(error.value)


def exit_of(*argv: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.run(run.main, argv)
    return int(stop.value.code or 0)


def test_the_command_writes_its_result_for_kubernetes(
    tracking: Tracking,
    releases: Bucket,
    order: Order,
    trained: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    result = tmp_path / "termination-log"
    with fake_vault() as vault:
        monkeypatch.setenv("VAULT_ADDR", vault.address)
        code = exit_of(
            *("--experiment-name", order.experiment_name, "--model-name", order.model_name, "--json"),
            *("--work-dir", str(order.work_dir), "--result-file", str(result)),
        )
    assert code == Exit.OK
    said = capsys.readouterr()
    assert json.loads(said.out) == json.loads(result.read_text())
    assert Released(**json.loads(said.out)).run_id == trained
    assert result.stat().st_size <= 4096


def test_an_id_that_no_run_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of("--experiment-name", "e", "--model-name", "m", "--run", "best") == Exit.USAGE
    assert "--run: must be the 32 hexadecimal digits of a run's ID, got 'best'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a/b", "a:b", "it's", "", " ", ".", "..", "a\nb", "\udcff", "x" * 256])
def test_a_model_name_that_mlflow_could_not_take_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of("--experiment-name", "e", "--model-name", name) == Exit.USAGE
    message = capsys.readouterr().err.splitlines()[-1]
    assert "argument --model-name: must be " in message
    assert message.endswith(f", got {name!r}")


def test_a_dead_mlflow_is_one_clear_line(
    releases: Bucket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    assert exit_of("--experiment-name", "e", "--model-name", "m", "--work-dir", str(tmp_path)) == Exit.MLFLOW
    assert len(capsys.readouterr().err.splitlines()) == 1
