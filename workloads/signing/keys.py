"""The keys of a signer: public keys with their names in cosign and model-signing, and the private key that signs.

Only ECDSA on P-256 with SHA-256, the one form that Vault, cosign, openssl and model-signing share.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.signing.inputs import problem, read_any

_LARGEST_BYTES = 1 << 20
_PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


@dataclass(frozen=True)
class PublicKey:
    """An ECDSA P-256 public key; `name` is its source for messages, such as a file's path."""

    key: ec.EllipticCurvePublicKey
    name: str

    @cached_property
    def pem(self) -> bytes:
        """The key as PEM, SubjectPublicKeyInfo, one trailing newline."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 in hex of the key's DER form."""
        return self._der_digest().hex()

    @cached_property
    def cosign_hint(self) -> str:
        """The `hint` that cosign writes in a bundle: the SHA-256 of the DER form, in base64."""
        return base64.b64encode(self._der_digest()).decode()

    @cached_property
    def oms_hint(self) -> str:
        """The `hint` that model-signing writes and compares: the SHA-256 of the PEM text, in hex."""
        return hashlib.sha256(self.pem).hexdigest()

    def accepts(self, signature: bytes, digest: bytes) -> bool:
        """Return whether `signature` (DER) signs the SHA-256 `digest` with this key."""
        try:
            self.key.verify(signature, digest, _PREHASHED)
        except InvalidSignature:
            return False
        return True

    def _der_digest(self) -> bytes:
        return hashlib.sha256(self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRing:
    """The public keys of all versions that the signer still accepts; `latest` is the version that signs now."""

    latest: int
    versions: dict[int, PublicKey]


class Signer(Protocol):
    """Signs digests with one named key, which has versions."""

    @property
    def mount(self) -> str:
        """The path of the engine that holds the key."""
        ...

    @property
    def key(self) -> str:
        """The key's name."""
        ...

    def key_ring(self) -> KeyRing:
        """Return the public keys of all versions."""
        ...

    def sign(self, digests: Sequence[bytes], version: int) -> list[bytes]:
        """Return the DER signatures of SHA-256 `digests`, all by one version of the key."""
        ...


def parse(pem: bytes, name: str) -> PublicKey:
    """Read a public key from PEM.

    Raises:
        WorkloadError: It isn't a public key, or not ECDSA on P-256.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise WorkloadError(f"{name} holds no public key in PEM.", Exit.USAGE) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise WorkloadError(f"{name} is not an ECDSA P-256 key, the only kind that can sign models.", Exit.USAGE)
    return PublicKey(key, name)


def load(path: Path) -> PublicKey:
    """Read a public key from a PEM file; see `parse`."""
    try:
        return parse(read_any(path, _LARGEST_BYTES), str(path))
    except OSError as error:
        raise WorkloadError(problem(path, error), Exit.USAGE) from error
