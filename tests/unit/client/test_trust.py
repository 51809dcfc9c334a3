"""The trusted keys: in one file, in several, in a folder, and none."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import aegis
from aegis import NotVerifiedError
from aegis.keys import PublicKey
from tests.support.local_signer import LocalSigner
from tests.support.signed_version import Signed


def pem_file(path: Path, *keys: PublicKey) -> Path:
    path.write_bytes(b"".join(key.pem for key in keys))
    return path


def test_the_environment_names_a_file_with_several_keys_or_a_folder_of_them(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger, key = LocalSigner().public_key(), signed.signer.public_key()
    both = pem_file(tmp_path / "both.pem", stranger, key)
    folder = tmp_path / "keys"
    folder.mkdir()
    # As Kubernetes mounts a ConfigMap.
    (folder / "..2026_01_01").mkdir()
    pem_file(folder / "..2026_01_01" / "signing-keys.pem", stranger, key)
    (folder / "..data").symlink_to("..2026_01_01")
    (folder / "signing-keys.pem").symlink_to("..data/signing-keys.pem")
    (folder / "README").write_text("not a key")
    for location in (both, folder):
        monkeypatch.setenv("AEGIS_TRUSTED_KEYS", str(location))
        assert aegis.verify(signed.uri).key.name.endswith(
            "signing-keys.pem (key 2)" if location == folder else "(key 2)"
        )
    assert aegis.verify(signed.uri, keys=[stranger, folder, str(both)])


def test_a_key_that_is_taken_out_verifies_nothing_any_more(signed: Signed, tmp_path: Path) -> None:
    signed.signer.rotate()
    keys = pem_file(tmp_path / "keys.pem", signed.signer.public_key(1), signed.signer.public_key(2))
    assert aegis.verify(signed.uri, keys=keys)
    pem_file(keys, signed.signer.public_key(2))
    with pytest.raises(NotVerifiedError, match="signed with a key that isn't trusted"):
        aegis.verify(signed.uri, keys=keys)


def test_missing_keys_are_an_error_that_says_where_they_come_from(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"AEGIS_TRUSTED_KEYS is not set: .*`signing_keys`"):
        aegis.load_model(signed.uri)
    with pytest.raises(ValueError, match="keys must name at least one public key"):
        aegis.load_model(signed.uri, keys=[])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no public key in PEM"):
        aegis.load_model(signed.uri, keys=tmp_path / "empty")
    monkeypatch.setenv("AEGIS_TRUSTED_KEYS", str(tmp_path / "gone.pem"))
    with pytest.raises(FileNotFoundError, match=r"gone\.pem"):
        aegis.load_model(signed.uri)


@pytest.mark.parametrize("kind", ["rsa", "p384", "private", "nonsense", "long"])
def test_only_public_p256_keys_are_taken(signed: Signed, tmp_path: Path, kind: str) -> None:
    public = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048).public_key(),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()).public_key(),
    }
    path = tmp_path / "key.pem"
    if kind in public:
        path.write_bytes(public[kind]().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    elif kind == "private":
        private = ec.generate_private_key(ec.SECP256R1())
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    else:
        path.write_bytes(b"x" * (2 << 20) if kind == "long" else b"\0nonsense")
    with pytest.raises(
        ValueError, match=r"key\.pem (is not an ECDSA P-256 key|holds no public key|is larger than 1 MiB)"
    ):
        aegis.verify(signed.uri, keys=path)
