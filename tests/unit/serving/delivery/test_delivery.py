"""A delivery brings a version that verifies to a folder, at once or not at all."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from aegis.version import SignedVersion
from contracts import Exit
from tests.support.local_signer import LocalSigner
from tests.support.signed_version import write_model
from tests.unit.serving.delivery.conftest import Delivery


def alter(delivery: Delivery) -> None:
    weights = delivery.signed.files / "data" / "weights of é.bin"
    weights.write_bytes(b"\x01" + weights.read_bytes()[1:])


def add(delivery: Delivery) -> None:
    (delivery.signed.files / "code" / "extra.py").touch()


def remove(delivery: Delivery) -> None:
    (delivery.signed.files / "empty").unlink()


def unsign(delivery: Delivery) -> None:
    for tag in delivery.signed.tags:
        delivery.signed.client.delete_model_version_tag(delivery.signed.name, delivery.signed.number, tag)


def revoke(delivery: Delivery) -> None:
    delivery.signed.signer.rotate()
    delivery.trust(delivery.signed.signer)


def sign_by_a_stranger(delivery: Delivery) -> None:
    delivery.signed.sign(delivery.signed.files, signer=LocalSigner())


def sign_as_another_model(delivery: Delivery) -> None:
    other = delivery.signed.files.with_name("another-model")
    shutil.copytree(delivery.signed.files, other)
    delivery.signed.sign(other)


BAD = [unsign, alter, add, remove, revoke, sign_by_a_stranger, sign_as_another_model]


def test_a_delivered_version_is_the_signed_one_and_passes_the_check(delivery: Delivery) -> None:
    assert delivery.run() == Exit.OK
    assert delivery.check("--name", delivery.signed.name) == Exit.OK
    signed = delivery.signed.files
    expected = {f"model/{path.relative_to(signed).as_posix()}" for path in signed.rglob("*") if path.is_file()}
    assert delivery.files().keys() == {*expected, "evidence/version.json"}
    assert not delivery.signed.marker.exists()


def test_the_result_as_json_names_the_content(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    assert delivery.run("--json") == Exit.OK
    result = json.loads(capsys.readouterr().out)
    assert (result["model"], result["version"]) == (delivery.signed.name, delivery.signed.number)
    assert (result["files"], result["downloaded"]) == (4, True)
    assert delivery.check("--content", result["content_sha256"]) == Exit.OK
    assert delivery.check("--content", "0" * 64) == Exit.NOT_VERIFIED


@pytest.mark.parametrize("spoil", BAD)
def test_a_version_that_does_not_verify_is_not_delivered(
    delivery: Delivery, spoil: Callable[[Delivery], None], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(delivery)
    assert delivery.run() == Exit.NOT_VERIFIED
    assert delivery.files() == {}
    assert delivery.check() == Exit.NOT_VERIFIED
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert f"{delivery.signed.name} version {delivery.signed.number} is NOT verified" in lines[0]


def test_a_second_run_checks_again_and_changes_nothing(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    delivery.run()
    before, inode = delivery.files(), delivery.model.stat().st_ino
    assert delivery.run("--json") == Exit.OK
    assert (delivery.files(), delivery.model.stat().st_ino) == (before, inode)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["downloaded"] is False


def test_a_second_run_refuses_files_that_were_changed_since(delivery: Delivery) -> None:
    delivery.run()
    (delivery.model / "empty").write_bytes(b"x")
    assert delivery.run() == Exit.NOT_VERIFIED


def test_a_version_that_was_signed_again_gets_its_new_evidence(delivery: Delivery) -> None:
    delivery.run()
    revoke(delivery)
    assert delivery.check() == Exit.NOT_VERIFIED
    delivery.signed.sign(delivery.signed.files)
    assert delivery.run() == Exit.OK
    assert delivery.check() == Exit.OK


def test_a_folder_with_another_version_is_refused(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    delivery.run()
    before = delivery.files()
    signed = delivery.signed
    other = signed.client.create_model_version(
        signed.name, signed.files.as_uri(), signed.client.get_model_version(signed.name, "1").run_id, tags=signed.tags
    )
    assert delivery.run(version=str(other.version)) == Exit.USAGE
    assert delivery.files() == before
    assert f"has {signed.name} version 1: deliver {signed.name} version 2 to another folder" in capsys.readouterr().err


def test_a_model_that_no_delivery_brought_is_kept(delivery: Delivery) -> None:
    write_model(delivery.model, delivery.folder / "marker")
    before = delivery.files()
    assert delivery.run() == Exit.USAGE
    assert delivery.files() == before


def test_other_files_of_a_volume_are_kept(delivery: Delivery) -> None:
    (delivery.folder / "lost+found").mkdir(parents=True)
    assert delivery.run() == Exit.OK
    assert (delivery.folder / "lost+found").is_dir()


def kill_during_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def part_of_it(self: SignedVersion, repository: object, folder: Path) -> None:
        folder.mkdir()
        (folder / "MLmodel").write_bytes(b"cut o")
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(SignedVersion, "fetch", part_of_it)


def kill_between_the_evidence_and_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sync", lambda: os.kill(os.getpid(), signal.SIGKILL))


@pytest.mark.parametrize("kill", [kill_during_the_download, kill_between_the_evidence_and_the_model])
def test_a_killed_delivery_leaves_nothing_that_is_accepted_or_blocks_the_next(
    delivery: Delivery, kill: Callable[[pytest.MonkeyPatch], None]
) -> None:
    child = os.fork()
    if child == 0:
        kill(pytest.MonkeyPatch())
        delivery.run()
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert not delivery.model.exists()
    assert delivery.check() == Exit.NOT_VERIFIED
    assert delivery.run() == Exit.OK
    assert delivery.check() == Exit.OK
    assert not [path for path in delivery.folder.rglob("*") if path.name == "new"]


def test_two_deliveries_to_a_folder_do_not_mix(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch, inner = SignedVersion.fetch, []

    def fetch_while_another_starts(self: SignedVersion, *args: object) -> None:
        inner.append(delivery.run())
        fetch(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(SignedVersion, "fetch", fetch_while_another_starts)
    assert (delivery.run(), inner) == (Exit.OK, [Exit.CONFLICT])
    assert delivery.check() == Exit.OK


def test_a_dead_server_is_waited_for_and_then_named(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert delivery.run() == Exit.MLFLOW
    assert "MLflow at http://127.0.0.1:9 does not answer after 18 attempts" in capsys.readouterr().err
    assert delivery.files() == {}


def test_a_missing_version_is_told(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    assert delivery.run(version="77") == Exit.MLFLOW
    assert "version=77) not found" in capsys.readouterr().err


def test_a_model_that_this_environment_cannot_run_is_not_delivered(
    delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    (delivery.signed.files / "requirements.txt").write_text("mlflow==1.30.0\nno-such-package==2\npytest\n")
    delivery.signed.sign(delivery.signed.files)
    assert delivery.run() == Exit.USAGE
    assert delivery.files() == {}
    told = capsys.readouterr().err
    assert "it needs mlflow==1.30.0, and 3." in told
    assert "it needs no-such-package==2, which isn't installed" in told
    assert "pytest" not in told
    assert delivery.run("--ignore-requirements") == Exit.OK
    assert delivery.check() == Exit.OK
