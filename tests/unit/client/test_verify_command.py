"""`python -m workloads.signing verify models:/...`: exit codes, one line of text, JSON."""

import json
from pathlib import Path

import pytest

from contracts import Exit
from tests.support.local_signer import LocalSigner
from tests.support.signed_version import RUN_ID, Signed
from workloads import cli, retry
from workloads.signing import __main__ as signing
from workloads.signing import verify


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    if "signed" in request.fixturenames:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", request.getfixturevalue("signed").client.tracking_uri)


@pytest.fixture
def key(signed: Signed, tmp_path: Path) -> Path:
    path = tmp_path / "signing-keys.pem"
    path.write_bytes(LocalSigner().public_key().pem + signed.signer.public_key().pem)
    return path


def exit_of(*argv: object, main=verify.main) -> int:  # noqa: ANN001
    with pytest.raises(SystemExit) as stop:
        cli.run(main, [str(argument) for argument in argv])
    return int(stop.value.code or 0)


def test_a_version_verifies_by_listing_and_by_reading(
    signed: Signed, key: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"models:/{signed.name}@champion"
    assert exit_of(uri, "--key", key) == Exit.OK
    assert capsys.readouterr().out == (
        f"{signed.name} version 1 is verified: 4 files, compared by their names and sizes, signed with {key} (key 2) "
        "(version 1 of aegis-cosign)\n"
    )
    monkeypatch.setenv("AEGIS_TRUSTED_KEYS", str(key))
    assert exit_of("verify", uri, "--deep", "--json", "--model", signed.name, "--run", RUN_ID, main=signing.main) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["verified"], result["uri"], result["version"], result["deep"]) == (True, uri, "1", True)
    assert result["source"]["run_id"] == RUN_ID


def test_a_changed_byte_is_found_by_reading_only(
    signed: Signed, key: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (signed.files / "data" / "weights of é.bin").write_bytes(bytes(256 * 40))
    assert exit_of(signed.uri, "--key", key) == Exit.OK
    capsys.readouterr()
    for option in (["--deep"], ["--extract", tmp_path / "copy"]):
        assert exit_of(signed.uri, "--key", key, "--json", *option) == Exit.NOT_VERIFIED
        said = capsys.readouterr()
        reason = "is NOT verified: its file data/weights of é.bin was changed after it was signed"
        assert said.err == f"error: {signed.name} version 1 {reason}\n"
        assert json.loads(said.out) == {
            "verified": False,
            "uri": signed.uri,
            "reason": f"{signed.name} version 1 {reason}",
        }
    assert not (tmp_path / "copy").exists()


def test_the_verified_files_are_extracted_to_a_new_or_empty_folder(signed: Signed, key: Path, tmp_path: Path) -> None:
    assert exit_of(signed.uri, "--key", key, "--extract", tmp_path / "copy") == Exit.OK
    assert (tmp_path / "copy" / "MLmodel").read_bytes() == (signed.files / "MLmodel").read_bytes()
    assert exit_of(signed.uri, "--key", key, "--extract", tmp_path / "copy") == Exit.USAGE


def test_another_demanded_run_is_not_verified(signed: Signed, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(signed.uri, "--key", key, "--run", "other") == Exit.NOT_VERIFIED
    assert f"{signed.name} version 1 is NOT verified: it was signed as run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["models:/NAME@challenger"], Exit.MLFLOW, "alias challenger not found"),
        (["models:/NAME/7"], Exit.MLFLOW, "version=7"),
        (["models:/NAME/Production"], Exit.MLFLOW, "is in the stage 'Production'"),
        (["models:/no-such-model/1"], Exit.MLFLOW, "no-such-model"),
        (["models:/NAME"], Exit.USAGE, "is not the address of a model version"),
        (["models:/m-0123"], Exit.USAGE, "is not the address of a model version"),
        (["models:/NAME/1", "--key", "gone.pem"], Exit.USAGE, "gone.pem cannot be read: No such file"),
        (["models:/NAME/1", "--key", "/dev/null"], Exit.USAGE, "/dev/null holds no public key in PEM"),
        (["archive.tar.gz", "--deep", "--key", "gone.pem"], Exit.USAGE, "gone.pem cannot be read"),
    ],
)
def test_a_wrong_argument_is_one_line(
    signed: Signed, key: Path, argv: list[str], code: Exit, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [] if "--key" in argv else ["--key", str(key)]
    assert exit_of(*(part.replace("NAME", signed.name) for part in argv), *keys) == code
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_missing_files_are_an_error_of_the_artifact_store_or_not_verified(
    signed: Signed, key: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegis.version.registry.listing", lambda repository: 1 / 0)
    assert exit_of(signed.uri, "--key", key) == Exit.OBJECT_STORE
    assert f"error: the artifact store at {signed.uri} refuses" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["model.tar.gz"], ["models:/net/1"]])
def test_without_any_key_the_variable_is_named(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AEGIS_TRUSTED_KEYS", raising=False)
    assert exit_of(*argv) == Exit.USAGE
    assert "AEGIS_TRUSTED_KEYS is not set: it must name a PEM file" in capsys.readouterr().err
