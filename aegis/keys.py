"""The public keys that verify models, with their names in cosign and model-signing.

Only ECDSA on P-256 with SHA-256, the one form that Vault, cosign, openssl and model-signing share.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

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


def parse(pem: bytes, name: str) -> PublicKey:
    """Read a public key from PEM; messages call it `name`.

    Raises:
        ValueError: It isn't a public key, or not ECDSA on P-256.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{name} holds no public key in PEM.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError(f"{name} is not an ECDSA P-256 key, the only kind that can sign models.")
    return PublicKey(key, name)


def signer_of(signature: bytes, digest: bytes, trusted: Iterable[PublicKey]) -> PublicKey | None:
    """Return the first trusted key that accepts `signature` (DER) over the SHA-256 `digest`, or None."""
    return next((key for key in trusted if key.accepts(signature, digest)), None)
