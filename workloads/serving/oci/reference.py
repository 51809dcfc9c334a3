"""The names of repositories and images in a registry."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self

from contracts import Exit
from workloads.cli import WorkloadError

# A registry's host: a name or an IPv4 address, or an IPv6 address in brackets; then, perhaps, a port.
_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
# https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"({_HOST})/({_PART}(?:/{_PART})*)")
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_IMAGE: Final = re.compile(rf"(.+?)(?::{_TAG})?@(sha256:[0-9a-f]{{64}})")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# In characters: the longest that registries accept.
_LONGEST: Final = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A repository of a registry, such as `registry.example:5000/aegis/models`."""

    host: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `HOST[:PORT]/PATH`.

        Raises:
            WorkloadError: `text` isn't the name of a repository.
        """
        found = _REPOSITORY.fullmatch(text) if len(text) <= _LONGEST else None
        # Without a dot, a port or this name, the first part would be a folder of Docker Hub.
        if not found or not ("." in found[1] or ":" in found[1] or found[1] == "localhost"):
            raise WorkloadError(
                f"A repository must be HOST[:PORT]/PATH in lower case, such as registry.example/aegis/models, "
                f"got {text!r}.",
                Exit.USAGE,
            )
        return cls(host=found[1], path=found[2])

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the registry's host is a loopback address."""
        name = self.host.rpartition("]")[0].lstrip("[") or self.host.partition(":")[0]
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """An image by its digest, such as `registry.example/aegis/serving@sha256:...`."""

    repository: Repository
    digest: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `REPOSITORY[:TAG]@sha256:DIGEST`; the tag says nothing beside the digest and is dropped.

        Raises:
            WorkloadError: `text` isn't an image with a digest.
        """
        found = _IMAGE.fullmatch(text)
        if not found:
            raise WorkloadError(
                f"An image must be named by its digest, as REPOSITORY@sha256:DIGEST with 64 hexadecimal digits, "
                f"got {text!r}.",
                Exit.USAGE,
            )
        return cls(repository=Repository.parse(found[1]), digest=found[2])

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"


def is_digest(value: object) -> bool:
    """Return whether `value` is a SHA-256 digest as registries write it."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
