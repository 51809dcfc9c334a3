"""What signing needs of whoever holds the private key: in production a transit key of Vault, see `transit`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from workloads.signing.keys import PublicKey


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRing:
    """The public keys of all versions that the signer still accepts, and which of them signs now."""

    latest: int
    versions: dict[int, PublicKey]


class Signer(Protocol):
    """Signs digests with one named key, which has versions."""

    @property
    def mount(self) -> str:
        """Where the key is kept."""
        ...

    @property
    def key(self) -> str:
        """The key's name."""
        ...

    def key_ring(self) -> KeyRing:
        """Return the public keys of all versions."""
        ...

    def sign(self, digests: Sequence[bytes], version: int) -> list[bytes]:
        """Return the DER signatures of SHA-256 `digests`, all made with one version of the key."""
        ...
