"""The platform's container images: built once into the cache, then loaded into containerd.

An image's reference is a digest of all that it is made from, so only what changed is built and loaded.
"""

import fcntl
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import contracts
from local import paths, progress, toolchain
from local.images import buildah, containerd, inputs
from local.images.build import build
from local.images.catalogue import IMAGES, RUNNABLE, Image, in_build_order

__all__ = ["IMAGES", "RUNNABLE", "ensure", "load", "missing", "programs", "prune"]


def programs(names: Iterable[str]) -> tuple[str, ...]:
    """Return the tools of the toolchain's catalogue that the named images hold."""
    return tuple(sorted({program for image in in_build_order(names) for program in inputs.binaries(image)}))


def missing(names: Iterable[str]) -> dict[str, int]:
    """Return the images that `ensure` would build now, in this order, with about how many seconds each takes.

    Builds nothing: an image that holds a tool which is still to be built counts as missing.
    """
    names = tuple(names)
    held = programs(names)
    absent = set(toolchain.missing(*held))
    present = toolchain.ensure(*(name for name in held if name not in absent))
    needed = _needed(names, _references(names, present), buildah.references())
    return {image.name: image.about_seconds for image in needed}


def ensure(names: Iterable[str]) -> dict[str, str]:
    """Build those of the named images that are not in the cache, and return the reference of each: {name: reference}.

    Raises:
        LocalError: A name is not in the catalogue, or a build failed; names the log.
    """
    names = tuple(names)
    tools = toolchain.ensure(*programs(names))
    references = _references(names, tools)
    if not _needed(names, references, buildah.references()):
        return {name: references[name] for name in names}
    with _one_builder():
        built = buildah.references()
        for image in _needed(names, references, built):
            _build(image, references, {name: tools[name] for name in inputs.binaries(image)})
            _forget_older(image, built)
    return {name: references[name] for name in names}


def load(references: Mapping[str, str]) -> None:
    """Load those of the images that `ensure` returned into the cluster's containerd which it does not have.

    Raises:
        LocalError: containerd does not answer or refuses; names the log.
    """
    loaded = containerd.loaded()
    for name, reference in references.items():
        if reference not in loaded:
            with progress.step(f"Loading image {name}"):
                containerd.load(reference, _log(name))


def prune(references: Mapping[str, str]) -> list[str]:
    """Delete other images of ours from containerd, unless a container uses them, and return their references."""
    return containerd.prune(set(references.values()), f"{contracts.IMAGE_REGISTRY}/")


def _references(names: tuple[str, ...], tools: Mapping[str, Path]) -> dict[str, str]:
    """Return the references of the images and of what they stand on, but for those that depend on an absent tool."""
    references: dict[str, str] = {}
    for image in in_build_order(names):
        if (image.base is None or image.base in references) and set(inputs.binaries(image)) <= set(tools):
            base = references[image.base] if image.base else None
            references[image.name] = inputs.reference(image, base, tools)
    return references


def _needed(names: tuple[str, ...], references: Mapping[str, str], built: Collection[str]) -> list[Image]:
    """Return the images to build: the named ones that aren't built, and what these in turn stand on."""
    ordered = in_build_order(names)
    absent = [image for image in ordered if references.get(image.name) not in built]
    asked = set(names)
    for image in reversed(absent):
        if image.name in asked and image.base:
            asked.add(image.base)
    return [image for image in absent if image.name in asked]


def _build(image: Image, references: Mapping[str, str], tools: Mapping[str, Path]) -> None:
    log = _log(image.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    with progress.step(f"Building image {image.name}", about_seconds=image.about_seconds):
        buildah.clear(log)
        build(image, references[image.name], references[image.base] if image.base else None, tools, log)


def _forget_older(image: Image, built: Sequence[str]) -> None:
    """Delete an image's builds of long ago from the cache; the one before stays, another command may be loading it."""
    earlier = [reference for reference in built if reference.startswith(f"{contracts.IMAGE_REGISTRY}/{image.name}:")]
    for reference in earlier[1:]:
        buildah.forget(reference, _log(image.name))


def _log(name: str) -> Path:
    return paths.logs() / f"image-{name}.log"


@contextmanager
def _one_builder() -> Iterator[None]:
    """Wait for another command that builds into the same cache: it may be building just what we need."""
    paths.images_cache().mkdir(parents=True, exist_ok=True)
    with (paths.images_cache() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
