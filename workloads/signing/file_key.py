"""Sign with a private key in a file, for a laptop without Vault.

Anyone who can read the file can sign, so only its owner may have the right to read it.
"""

import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from aegis.keys import PublicKey
from contracts import Exit
from workloads.cli import WorkloadError, file_error
from workloads.signing.inputs import UnfitFileError, open_regular, problem
from workloads.signing.keys import KeyRing

# The mode of the file that `create` makes; no key is read with more permissions.
_MODE: Final = 0o600
# In bytes; a key has 241.
_LARGEST: Final = 1 << 16
# The file has one version of the key. To rotate it, make another file.
_VERSION: Final = 1
_PREHASHED: Final = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


@dataclass(frozen=True, kw_only=True, slots=True)
class FileKey:
    """An ECDSA P-256 key from a PEM file; `key` is its name in manifests."""

    private: ec.EllipticCurvePrivateKey
    key: str
    mount: str = "file"

    def key_ring(self) -> KeyRing:
        """Return the public key."""
        public = PublicKey(self.private.public_key(), f"{self.key} version {_VERSION}")
        return KeyRing(latest=_VERSION, versions={_VERSION: public})

    def sign(self, digests: Sequence[bytes], version: int) -> list[bytes]:
        """Return the DER signatures of SHA-256 `digests`.

        Raises:
            ValueError: The key has no such version.
        """
        if version != _VERSION:
            raise ValueError(f"version must be {_VERSION}, got {version}.")
        return [self.private.sign(digest, _PREHASHED) for digest in digests]


def load(path: Path) -> FileKey:
    """Read the key in the PEM file `path`.

    Raises:
        WorkloadError: It can't be read, can be read by others, or isn't an unencrypted ECDSA P-256 private key; exits
            with `Exit.USAGE`.
    """
    try:
        content = _read(path)
    except OSError as error:
        raise WorkloadError(problem(path, error), Exit.USAGE) from error
    try:
        private = load_pem_private_key(content, password=None)
    # TypeError: it is encrypted.
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise WorkloadError(f"{path} holds no unencrypted private key in PEM.", Exit.USAGE) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise WorkloadError(f"{path} is not an ECDSA P-256 key, the only kind that can sign models.", Exit.USAGE)
    return FileKey(private=private, key=path.stem)


def create(path: Path) -> FileKey:
    """Return the key in the PEM file `path`; create it with a new key if it doesn't exist.

    Raises:
        WorkloadError: It can't be written, or the existing file isn't a key; see `load`.
    """
    if not path.exists():
        private = ec.generate_private_key(ec.SECP256R1())
        _write(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return load(path)


def _read(path: Path) -> bytes:
    with open_regular(path) as stream:
        mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        if mode & ~0o700:
            raise UnfitFileError(f"must be readable by its owner only (chmod 600), its mode is {mode:04o}")
        return stream.read(_LARGEST)


def _write(path: Path, content: bytes) -> None:
    """Write a file that appears complete, unless another process made one first."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as stream:
            stream.write(content)
        try:
            path.hardlink_to(part)
        except FileExistsError:
            return
        finally:
            part.unlink()
    except OSError as error:
        raise file_error(path, "written", error) from error
