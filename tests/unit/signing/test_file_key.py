"""Signing with a key in a file, chosen by AEGIS_SIGNING_KEY_FILE."""

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from contracts import Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.signing import file_key, package_and_sign, verify


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "my key.pem"


def exit_of(main, *argv: str | Path) -> int:  # noqa: ANN001
    with pytest.raises(SystemExit) as stop:
        cli.run(main, [str(argument) for argument in argv])
    return int(stop.value.code or 0)


def test_a_new_key_is_made_once_and_for_its_owner_only(path: Path) -> None:
    key = file_key.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert file_key.create(path).key_ring().versions[1].pem == key.key_ring().versions[1].pem
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == ["my key.pem"]


def test_a_model_is_signed_without_vault(
    path: Path, model_dir: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file_key.create(path)
    monkeypatch.setenv("AEGIS_SIGNING_KEY_FILE", str(path))
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    assert exit_of(package_and_sign.main, model_dir, out, "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["key"] == "my key"
    assert exit_of(verify.main, out, "--key", out.with_name("cosign-v1.pub")) == Exit.OK


def test_a_key_of_vault_beside_the_variable_is_a_contradiction(
    path: Path, model_dir: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AEGIS_SIGNING_KEY_FILE", str(path))
    assert exit_of(package_and_sign.main, model_dir, out, "--key-name", "other") == Exit.USAGE
    assert "AEGIS_SIGNING_KEY_FILE is set to a file" in capsys.readouterr().err


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o622, 0o4600, 0o601])
def test_a_key_that_others_could_use_is_refused(path: Path, mode: int) -> None:
    file_key.create(path)
    path.chmod(mode)
    with pytest.raises(
        WorkloadError, match=rf"must be readable by its owner only \(chmod 600\), its mode is {mode:04o}"
    ):
        file_key.load(path)


def contents() -> dict[str, bytes]:
    p256, p384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
    form = (Encoding.PEM, PrivateFormat.PKCS8)
    return {
        "empty": b"",
        "nonsense": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "public": p256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "encrypted": p256.private_bytes(*form, BestAvailableEncryption(b"secret")),
        "p384": p384.private_bytes(*form, NoEncryption()),
        "rsa": rsa.generate_private_key(65537, 2048).private_bytes(*form, NoEncryption()),
    }


@pytest.mark.parametrize(("name", "content"), contents().items(), ids=contents())
def test_only_an_unencrypted_p256_private_key_is_taken(path: Path, name: str, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(
        WorkloadError, match=r"my key\.pem (holds no unencrypted private key|is not an ECDSA P-256 key)"
    ):
        file_key.load(path)


def test_a_missing_file_a_folder_and_a_folder_that_is_missing_are_named(path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"my key\.pem cannot be read: No such file"):
        file_key.load(path)
    with pytest.raises(WorkloadError, match="is not a regular file"):
        file_key.load(path.parent)
    with pytest.raises(WorkloadError, match="cannot be written: No such file"):
        file_key.create(path / "deeper" / "key.pem")
