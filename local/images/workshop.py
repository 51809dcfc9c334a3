"""What images are built with: the first of Docker, Podman and buildah that works here, on a base from a registry.

Only the embedded platform makes its base itself, with debootstrap, which needs root and no registry.
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
# In full, as Podman and buildah may know no registry to look a short name up in.
BASE_IMAGE = "docker.io/library/debian:bookworm-slim"


class Builder(Protocol):
    """Builds images and keeps them: the module `buildah`, or an engine."""

    @property
    def name(self) -> str:
        """The name of its command."""
        ...

    @property
    def mounts(self) -> bool:
        """Whether a build can be given folders of this machine to work with, beside what it copies."""
        ...

    def why_not(self) -> str | None:
        """Return why this user can't build with it here; None if it works."""
        ...

    def has(self, reference: str) -> bool:
        """Tell whether it has an image, ours or another's."""
        ...

    def references(self) -> list[str]:
        """Return the references of the images that it has, the newest first."""
        ...

    def clear(self, log: Path) -> None:
        """Delete what a killed build left."""
        ...

    def forget(self, reference: str, log: Path) -> None:
        """Delete an image."""
        ...

    def pull(self, reference: str, *, plain_http: bool, log: Path) -> None:
        """Fetch an image from a registry."""
        ...

    def push(self, reference: str, target: str, *, plain_http: bool, log: Path) -> str:
        """Push an image to a registry as `target`, and return its digest there."""
        ...

    def save(self, reference: str, file: Path, log: Path) -> None:
        """Write an image to a file in the form of `docker save`."""
        ...

    def build(self, reference: str, *, container_file: Path, context: Path, options: Sequence[str], log: Path) -> None:
        """Build an image, as `reference`: all of it or nothing."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """A builder, and the image of a registry that all images stand on; without one, debootstrap makes it."""

    builder: Builder
    base_image: str | None = None

    def fetch_base(self, log: Path) -> None:
        """Fetch the image that all others stand on, unless it is here.

        Raises:
            LocalError: It can't be had; tells how to name another.
        """
        name = self.base_image
        if name is None or self.builder.has(name):
            return
        try:
            with progress.step(f"Fetching {name}"):
                self.builder.pull(name, plain_http=names.is_plain_http(name), log=log)
        except LocalError as error:
            raise LocalError(
                f"{self.builder.name} can't fetch {name}, which the images stand on: set {BASE_IMAGE_ENV} to a "
                f"Debian bookworm that this machine can fetch",
                error.log,
            ) from error


# Of the embedded platform.
EMBEDDED = Workshop(builder=buildah)


def choose() -> Workshop:
    """Return what builds images here.

    Raises:
        LocalError: Nothing does; tells of each builder why not.
    """
    refusals: list[str] = []
    for builder in _builders():
        reason = builder.why_not()
        if reason is None:
            return Workshop(builder=builder, base_image=_base_image(builder))
        refusals.append(f"{builder.name}: {reason}")
    raise LocalError(
        f"Nothing here builds images; one of Docker, Podman and buildah must. {'; '.join(refusals)}. "
        f"On Debian, the packages buildah and uidmap do."
    )


def _builders() -> tuple[Builder, ...]:
    return DOCKER, PODMAN, buildah


def _base_image(builder: Builder) -> str | None:
    """Return the base that the user names, or the usual one; root with buildah makes it, as the embedded platform does.

    Raises:
        LocalError: What the user names is no reference.
    """
    if given := os.environ.get(BASE_IMAGE_ENV):
        return names.image(BASE_IMAGE_ENV, given)
    makes_it = builder is buildah and os.geteuid() == 0 and shutil.which("debootstrap")
    return None if makes_it else BASE_IMAGE
