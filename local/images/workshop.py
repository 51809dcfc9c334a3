"""The choice of a builder and a base image: the first of Docker, Podman and buildah that works, on a registry's base.

Only the embedded platform makes its own base with debootstrap, which needs root but no registry.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local import progress
from local.errors import LocalError
from local.images import buildah, names
from local.images.engine import DOCKER, PODMAN

BASE_IMAGE_ENV = "AEGIS_BASE_IMAGE"
# The full name, because Podman and buildah may have no registry configured for short names.
BASE_IMAGE = "docker.io/library/debian:bookworm-slim"


class Builder(Protocol):
    """A builder and its image storage: the module `buildah`, or an engine."""

    @property
    def name(self) -> str:
        """The name of its command."""
        ...

    @property
    def mounts(self) -> bool:
        """Whether a build can mount folders of this machine."""
        ...

    def why_not(self) -> str | None:
        """Return the reason why this user can't build with it here, or None if it works."""
        ...

    def has(self, reference: str) -> bool:
        """Return whether it has an image."""
        ...

    def references(self) -> list[str]:
        """Return the references of its images, newest first."""
        ...

    def clear(self, log: Path) -> None:
        """Delete leftovers of a killed build."""
        ...

    def forget(self, reference: str, log: Path) -> None:
        """Delete an image."""
        ...

    def pull(self, reference: str, *, plain_http: bool, log: Path) -> None:
        """Pull an image from a registry."""
        ...

    def push(self, reference: str, target: str, *, plain_http: bool, log: Path) -> str:
        """Push an image to a registry as `target`, and return its digest there."""
        ...

    def save(self, reference: str, file: Path, log: Path) -> None:
        """Write an image to a file in the format of `docker save`."""
        ...

    def build(self, reference: str, *, container_file: Path, context: Path, options: Sequence[str], log: Path) -> None:
        """Build an image as `reference`. A failed build stores nothing."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """A builder, and the base of all images from a registry, or None to make it with debootstrap."""

    builder: Builder
    base_image: str | None = None

    def fetch_base(self, log: Path) -> None:
        """Pull the base image, unless the builder has it.

        Raises:
            LocalError: The pull failed; says how to set another base.
        """
        name = self.base_image
        if name is None or self.builder.has(name):
            return
        try:
            with progress.step(f"Pulling {name}"):
                self.builder.pull(name, plain_http=names.is_plain_http(name), log=log)
        except LocalError as error:
            raise LocalError(
                f"{self.builder.name} can't pull the base image {name}: set {BASE_IMAGE_ENV} to a Debian bookworm "
                f"image that this machine can pull",
                error.log,
            ) from error


# The embedded platform's builder.
EMBEDDED = Workshop(builder=buildah)


def choose() -> Workshop:
    """Return the first builder that works here, with its base image.

    Raises:
        LocalError: No builder works; gives the reason for each.
    """
    refusals: list[str] = []
    for builder in _builders():
        reason = builder.why_not()
        if reason is None:
            return Workshop(builder=builder, base_image=_base_image(builder))
        refusals.append(f"{builder.name}: {reason}")
    raise LocalError(
        f"No image builder works here: Docker, Podman or buildah is required. {'; '.join(refusals)}. "
        f"On Debian, install the packages buildah and uidmap."
    )


def _builders() -> tuple[Builder, ...]:
    return DOCKER, PODMAN, buildah


def _base_image(builder: Builder) -> str | None:
    """Return the base image that the user sets, or the default, or None if root can make it with buildah.

    Raises:
        LocalError: The user's base image isn't a valid reference.
    """
    if base_image := os.environ.get(BASE_IMAGE_ENV):
        return names.image(BASE_IMAGE_ENV, base_image)
    can_debootstrap = builder is buildah and os.geteuid() == 0 and shutil.which("debootstrap")
    return None if can_debootstrap else BASE_IMAGE
