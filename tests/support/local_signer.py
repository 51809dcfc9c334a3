"""A signer with local keys, for tests and benchmarks that don't need Vault."""

from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from aegis.keys import PublicKey
from workloads.signing.keys import KeyRing


class LocalSigner:
    """A signer with ECDSA P-256 keys in memory. As in Vault, `rotate` adds a version."""

    mount = "transit"
    key = "aegis-cosign"

    def __init__(self) -> None:
        self._keys: dict[int, ec.EllipticCurvePrivateKey] = {}
        self.rotate()

    def rotate(self) -> None:
        """Create a new version of the key, which is used from now on."""
        self._keys[len(self._keys) + 1] = ec.generate_private_key(ec.SECP256R1())

    def public_key(self, version: int = 1) -> PublicKey:
        """Return the public key of a version."""
        return PublicKey(self._keys[version].public_key(), f"version {version}")

    def key_ring(self) -> KeyRing:
        """Return the public keys of all versions."""
        return KeyRing(latest=max(self._keys), versions={version: self.public_key(version) for version in self._keys})

    def sign(self, digests: Sequence[bytes], version: int) -> list[bytes]:
        """Return the DER signatures of SHA-256 `digests`."""
        prehashed = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
        return [self._keys[version].sign(digest, prehashed) for digest in digests]
