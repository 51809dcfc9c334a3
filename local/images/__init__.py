"""The platform's container images, which are built once and loaded into containerd or delivered to an existing cluster.

An image's reference contains a digest of all its inputs, so only changed images are built, loaded and delivered.
"""

import fcntl
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import contracts
from local import paths, progress, toolchain
from local.images import containerd, inputs
from local.images.build import build
from local.images.catalogue import DEBIAN, IMAGES, RUNNABLE, Image, in_build_order
from local.images.destination import Destination
from local.images.workshop import EMBEDDED, Workshop

__all__ = ["IMAGES", "RUNNABLE", "absent", "deliver", "ensure", "load", "missing", "programs", "prune"]


def programs(names: Iterable[str]) -> tuple[str, ...]:
    """Return the tools from the toolchain's catalogue that the named images contain."""
    return tuple(sorted({program for image in in_build_order(names) for program in inputs.binaries(image)}))


def missing(names: Iterable[str], workshop: Workshop = EMBEDDED) -> dict[str, int]:
    """Return the images that `ensure` would build, in build order, with the approximate seconds for each.

    This builds nothing. An image with a tool that isn't built yet counts as missing.
    """
    names = tuple(names)
    needed = _needed(names, _references(names, _built_tools(names), workshop), workshop, workshop.builder.references())
    return {image.name: image.about_seconds for image in needed}


def ensure(names: Iterable[str], workshop: Workshop = EMBEDDED) -> dict[str, str]:
    """Build the named images that the builder doesn't have, and return the reference of each.

    Raises:
        LocalError: A name isn't in the catalogue, or a build failed; names the log.
    """
    names = tuple(names)
    tools = toolchain.ensure(*programs(names))
    references = _references(names, tools, workshop)
    if not _needed(names, references, workshop, workshop.builder.references()):
        return {name: references[name] for name in names}
    with _one_builder():
        built = workshop.builder.references()
        for image in _needed(names, references, workshop, built):
            _build(workshop, image, references, {name: tools[name] for name in inputs.binaries(image)})
            _forget_older(workshop, image, built)
    return {name: references[name] for name in names}


def absent(names: Iterable[str], workshop: Workshop, destination: Destination) -> tuple[str, ...]:
    """Return the named images that `deliver` would copy to the destination.

    This builds nothing. An image with a tool that isn't built yet counts as absent.
    """
    names = tuple(names)
    references = _references(names, _built_tools(names), workshop)
    return tuple(name for name in names if name not in references or destination.found(references[name]) is None)


def deliver(names: Iterable[str], workshop: Workshop, destination: Destination) -> dict[str, str]:
    """Build the named images that the destination lacks and copy them there; return the name of each for pods.

    Raises:
        LocalError: A name isn't in the catalogue, a build failed, or the destination refused an image; names the log.
    """
    names = tuple(names)
    references = _references(names, toolchain.ensure(*programs(names)), workshop)
    names_there = {name: destination.found(references[name]) for name in names}
    ensure([name for name, name_there in names_there.items() if name_there is None], workshop)
    delivered: dict[str, str] = {}
    for name, name_there in names_there.items():
        if name_there is None:
            with progress.step(f"Copying image {name} to {destination.described()}"):
                delivered[name] = destination.deliver(workshop.builder, references[name], _log(name))
        else:
            delivered[name] = name_there
    return delivered


def load(references: Mapping[str, str]) -> None:
    """Load the images that the cluster's containerd doesn't have; `references` is the result of `ensure`.

    Raises:
        LocalError: containerd doesn't answer or refuses an image; names the log.
    """
    loaded = containerd.loaded()
    for name, reference in references.items():
        if reference not in loaded:
            with progress.step(f"Loading image {name}"):
                containerd.load(reference, _log(name))


def prune(references: Mapping[str, str]) -> list[str]:
    """Delete the platform's other images from containerd, unless a container uses them, and return their references."""
    return containerd.prune(set(references.values()), f"{contracts.IMAGE_REGISTRY}/")


def _built_tools(names: Iterable[str]) -> Mapping[str, Path]:
    """Return the tools in the images that are already built."""
    tools = programs(names)
    unbuilt = set(toolchain.missing(*tools))
    return toolchain.ensure(*(name for name in tools if name not in unbuilt))


def _references(names: tuple[str, ...], tools: Mapping[str, Path], workshop: Workshop) -> dict[str, str]:
    """Return the references of the images and their bases, except for those that depend on a missing tool."""
    references = {DEBIAN: workshop.base_image} if workshop.base_image else {}
    for image in in_build_order(names):
        if image.name in references:
            continue
        if (image.base is None or image.base in references) and set(inputs.binaries(image)) <= set(tools):
            base = references[image.base] if image.base else None
            references[image.name] = inputs.reference(image, base, tools)
    return references


def _needed(
    names: tuple[str, ...], references: Mapping[str, str], workshop: Workshop, built: Collection[str]
) -> list[Image]:
    """Return the images to build: the named ones that aren't built, and their bases that aren't."""
    ordered = in_build_order(names)
    built_here = [image for image in ordered if image.name != DEBIAN or workshop.base_image is None]
    unbuilt = [image for image in built_here if references.get(image.name) not in built]
    required = set(names)
    for image in reversed(unbuilt):
        if image.name in required and image.base:
            required.add(image.base)
    return [image for image in unbuilt if image.name in required]


def _build(workshop: Workshop, image: Image, references: Mapping[str, str], tools: Mapping[str, Path]) -> None:
    log = _log(image.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    with progress.step(f"Building image {image.name}", about_seconds=image.about_seconds):
        workshop.builder.clear(log)
        if image.base == DEBIAN:
            workshop.fetch_base(log)
        base = references[image.base] if image.base else None
        build(workshop.builder, image, references[image.name], base, tools, log)


def _forget_older(workshop: Workshop, image: Image, built: Sequence[str]) -> None:
    """Delete old builds of an image from the cache, but not the previous one, which another command may be loading."""
    earlier = [reference for reference in built if reference.startswith(f"{contracts.IMAGE_REGISTRY}/{image.name}:")]
    for reference in earlier[1:]:
        workshop.builder.forget(reference, _log(image.name))


def _log(name: str) -> Path:
    return paths.logs() / f"image-{name}.log"


@contextmanager
def _one_builder() -> Iterator[None]:
    """Wait for another command that builds into the same cache, as it may be building the same images."""
    paths.images_cache().mkdir(parents=True, exist_ok=True)
    with (paths.images_cache() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
