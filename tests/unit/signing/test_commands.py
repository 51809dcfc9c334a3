import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contracts import Exit
from tests.support.fake_vault import FakeVault
from workloads import cli
from workloads.signing import __main__ as signing
from workloads.signing import package, package_and_sign, sign, verify


def exit_of(main, *argv: str | Path) -> int:  # noqa: ANN001
    with pytest.raises(SystemExit) as stop:
        cli.run(main, [str(argument) for argument in argv])
    return int(stop.value.code or 0)


def test_a_model_goes_from_a_directory_to_a_verified_copy(
    vault: FakeVault, model_dir: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEGIS_GIT_COMMIT", "c0ffee")
    assert exit_of(package_and_sign.main, model_dir, out, "--json") == Exit.OK
    written = json.loads(capsys.readouterr().out)
    assert (written["key"], written["key_version"], written["files"]) == ("aegis-cosign", 1, 4)
    key, copy = out.with_name("cosign-v1.pub"), out.with_name("copy")
    assert exit_of(verify.main, out, "--key", key, "--extract", copy, "--json") == Exit.OK
    verified = json.loads(capsys.readouterr().out)
    assert verified["verified"] is True
    assert verified["sha256"] == written["sha256"]
    assert verified["source"] == {"run_id": "0123abc", "model_id": "m-1", "git_commit": "c0ffee"}
    assert (copy / "data" / "weights.bin").read_bytes() == (model_dir / "data" / "weights.bin").read_bytes()


def test_packaging_and_signing_can_be_two_steps(vault: FakeVault, model_dir: Path, out: Path) -> None:
    assert exit_of(package.main, model_dir, out) == Exit.OK
    assert vault.requests == []
    assert exit_of(sign.main, out) == Exit.OK
    assert exit_of(verify.main, out, "--key", out.with_name("cosign-v1.pub")) == Exit.OK


def test_the_run_of_a_file_goes_into_the_manifest(vault: FakeVault, model_dir: Path, out: Path, tmp_path: Path) -> None:
    run = tmp_path / "run.json"
    run.write_text('{"run_id": "best", "metrics": {"val/accuracy": 0.97}}')
    assert exit_of(package.main, model_dir, out, "--run", run) == Exit.OK
    manifest = json.loads(Path(f"{out}.manifest.json").read_bytes())
    assert manifest["source"] == {"run_id": "best", "metrics": {"val/accuracy": 0.97}}


@pytest.mark.parametrize("content", ["[1]", "no json", '{"metrics": {"loss": NaN}}'])
def test_a_run_file_that_is_no_json_object_is_refused(
    model_dir: Path, out: Path, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run.json"
    run.write_text(content)
    assert exit_of(package.main, model_dir, out, "--run", run) == Exit.USAGE
    assert "run.json" in capsys.readouterr().err
    assert list(out.parent.iterdir()) == []


def test_a_changed_archive_exits_with_its_code_and_one_line(
    vault: FakeVault, model_dir: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_of(package_and_sign.main, model_dir, out)
    content = bytearray(out.read_bytes())
    content[len(content) // 2] ^= 1
    out.write_bytes(content)
    capsys.readouterr()
    assert exit_of(verify.main, out, "--key", out.with_name("cosign-v1.pub"), "--json") == Exit.NOT_VERIFIED
    said = capsys.readouterr()
    assert json.loads(said.out)["verified"] is False
    assert said.err == (f"error: {out} is NOT verified: data/weights.bin in the archive is not what was signed\n")


def test_a_dead_vault_is_found_out_before_the_packaging(
    vault: FakeVault, model_dir: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    assert exit_of(package_and_sign.main, model_dir, out) == Exit.VAULT
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("content", ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_key_file_without_a_key_is_refused(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key.pub"
    key.write_text(content)
    assert exit_of(verify.main, tmp_path / "model.tar.gz", "--key", key) == Exit.USAGE
    assert "key.pub holds no public key in PEM" in capsys.readouterr().err


def test_a_missing_key_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(verify.main, tmp_path / "model.tar.gz", "--key", tmp_path / "no.pub") == Exit.USAGE
    assert "no.pub cannot be read: No such file" in capsys.readouterr().err


def test_a_missing_archive_is_not_verified(
    vault: FakeVault, model_dir: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_of(package_and_sign.main, model_dir, out)
    out.unlink()
    assert exit_of(verify.main, out, "--key", out.with_name("cosign-v1.pub")) == Exit.NOT_VERIFIED
    assert f"{out} is missing" in capsys.readouterr().err


def test_a_full_disk_under_the_output_is_one_clear_line(vault: FakeVault, model_dir: Path, out: Path) -> None:
    command = [sys.executable, "-m", "workloads.signing.package", str(model_dir), str(out), "--json"]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == Exit.UNEXPECTED
    assert result.stderr == "error: standard output cannot be used: No space left on device\n"


def test_a_key_of_a_shells_substitution_and_the_demanded_model_are_taken(
    vault: FakeVault, model_dir: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_of(package_and_sign.main, model_dir, out)
    read, write = os.pipe()
    os.write(write, out.with_name("cosign-v1.pub").read_bytes())
    os.close(write)
    argv = [out, "--key", f"/dev/fd/{read}", "--model", "net", "--run", "0123abc"]
    assert exit_of(verify.main, *argv) == Exit.OK
    os.close(read)
    assert exit_of(verify.main, out, "--key", out.with_name("cosign-v1.pub"), "--model", "other") == Exit.NOT_VERIFIED
    assert "it was signed as model 'net', not 'other'" in capsys.readouterr().err


def test_an_mlmodel_with_a_date_that_does_not_exist_keeps_its_run(model_dir: Path, out: Path) -> None:
    (model_dir / "MLmodel").write_text("metadata: {released: 2024-02-30}\nrun_id: 0123\n")
    assert exit_of(package.main, model_dir, out) == Exit.OK
    assert json.loads(Path(f"{out}.manifest.json").read_bytes())["source"] == {"run_id": "0123"}


def test_each_command_does_the_same_in_the_one_command_line(
    vault: FakeVault, model_dir: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = out.with_name("cosign-v1.pub")
    steps = (
        ("package-and-sign", package_and_sign, (model_dir, out, "--json")),
        ("package", package, (model_dir, out, "--json")),
        ("sign", sign, (out, "--json")),
        ("verify", verify, (out, "--key", key, "--model", "net", "--run", "0123abc")),
        ("verify", verify, (out, "--key", key, "--model", "other")),
    )
    for name, module, argv in steps:
        ends = [exit_of(signing.main, name, *argv), exit_of(module.main, *argv)]
        said = capsys.readouterr()
        assert ends[0] == ends[1]
        for text in (said.out, said.err):
            lines = text.splitlines()
            assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]


def test_an_unknown_command_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(signing.main, "export") == Exit.USAGE
    assert "choose from" in capsys.readouterr().err
    assert exit_of(signing.main) == Exit.USAGE
    with pytest.raises(SystemExit):
        signing.main(["--help"])
    shown = capsys.readouterr().out
    assert [name for name in ("package", "sign", "package-and-sign", "verify") if f"\n    {name}" not in shown] == []
