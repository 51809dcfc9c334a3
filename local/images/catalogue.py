"""The platform's images with their bases and approximate build times.

This catalogue contains only what the container files can't express.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from local.errors import LocalError


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image: the folder of its container file in workloads/images, and the image that is its BASE.

    `about_seconds` is the time of a build on two cores when all packages are cached.
    """

    name: str
    folder: str
    about_seconds: int
    base: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)


# The root file system of a minimal Debian, made by debootstrap, which replaces a registry's `debian` image.
DEBIAN = "debian"


def _image(
    name: str,
    *,
    about_seconds: int,
    base: str | None = "base",
    folder: str | None = None,
    args: Mapping[str, str] | None = None,
) -> Image:
    return Image(name=name, folder=folder or name, about_seconds=about_seconds, base=base, args=args or {})


IMAGES: Mapping[str, Image] = {
    image.name: image
    for image in (
        _image(DEBIAN, base=None, about_seconds=60),
        _image("base", base=DEBIAN, about_seconds=12),
        _image("pause", base=None, about_seconds=2),
        _image("coredns", base=None, about_seconds=3),
        _image("metrics-server", base=None, about_seconds=3),
        _image("postgres", about_seconds=25),
        _image("s3", about_seconds=3),
        _image("vault", about_seconds=5),
        _image("monitoring", about_seconds=20),
        _image("mlflow-deps", about_seconds=60),
        _image("mlflow", base="mlflow-deps", about_seconds=3),
        _image("workloads-deps", base="mlflow-deps", about_seconds=20),
        # The embedded platform has no GPU. Leaving out the GPU libraries saves 2 GB in each copy of the image.
        _image("serving-deps", base="workloads-deps", args={"ACCELERATOR": "cpu"}, about_seconds=170),
        _image("trainer-deps", base="serving-deps", about_seconds=60),
        _image("gateway-deps", base="mlflow-deps", about_seconds=25),
        _image("workloads", base="workloads-deps", about_seconds=3),
        _image("trainer", base="trainer-deps", folder="workloads", about_seconds=3),
        _image("gateway", base="gateway-deps", folder="workloads", about_seconds=3),
        _image("serving", base="serving-deps", folder="workloads", about_seconds=3),
    )
}

# Images that pods run. The others are only bases.
RUNNABLE = tuple(name for name in IMAGES if name != DEBIAN and not name.endswith("-deps"))


def in_build_order(names: Iterable[str]) -> list[Image]:
    """Return the named images and all their bases, each after its base.

    Raises:
        LocalError: A name isn't in the catalogue.
    """
    ordered: dict[str, Image] = {}
    for name in names:
        for image in reversed(list(_with_bases(name))):
            ordered.setdefault(image.name, image)
    return list(ordered.values())


def _with_bases(name: str) -> Iterator[Image]:
    current: str | None = name
    while current is not None:
        if current not in IMAGES:
            raise LocalError(f"There is no image {current!r}: the images are {', '.join(IMAGES)}.")
        yield IMAGES[current]
        current = IMAGES[current].base
