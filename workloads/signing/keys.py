"""The keys of a signer: the public keys of its versions, and the private key that signs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aegis import keys, trust
from aegis.keys import PublicKey
from contracts import Exit
from workloads.cli import WorkloadError, file_error
from workloads.signing.inputs import problem, read_any

_LARGEST_BYTES = 1 << 20


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
        return keys.parse(pem, name)
    except ValueError as error:
        raise WorkloadError(str(error), Exit.USAGE) from error


def trusted(paths: Sequence[Path]) -> list[PublicKey]:
    """Return the public keys in the PEM files or folders at `paths`, by default those that `AEGIS_TRUSTED_KEYS` names.

    Raises:
        WorkloadError: There is none, one can't be read, or one isn't an ECDSA P-256 public key.
    """
    try:
        return [key for path in paths or (None,) for key in trust.trusted_keys(path)]
    except ValueError as error:
        raise WorkloadError(str(error), Exit.USAGE) from error
    except OSError as error:
        raise file_error(error.filename, "read", error) from error


def load(path: Path) -> PublicKey:
    """Read a public key from a PEM file; see `parse`."""
    try:
        return parse(read_any(path, _LARGEST_BYTES), str(path))
    except OSError as error:
        raise WorkloadError(problem(path, error), Exit.USAGE) from error
