"""Bring the embedded cluster up: announce, build and load what it needs, then start its parts."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import contracts
from local import checks, cluster, images, paths, program, progress, toolchain
from local.aws import embedded as emulated_aws
from local.images.catalogue import in_build_order
from local.processes import write_whole
from local.stacks import Stack
from local.toolchain import debian


def up(stack: Stack | None) -> None:
    """Build what is missing, and bring the cluster up for the stack; without a stack, bring up the cluster alone.

    Raises:
        LocalError: The disk is too small, or a part failed; names its log.
    """
    names = (*cluster.IMAGES, *contracts.IMAGES) if stack else cluster.IMAGES
    needed = (*cluster.TOOLS, *program.TOOLS, *images.programs(names))
    packages = debian.missing_packages()
    _announce(packages, needed, names)
    debian.install(packages)
    tools = toolchain.ensure(*needed)
    references = images.ensure(names)
    write_whole(paths.images_file(), json.dumps(_known_images() | references, indent=2))
    _start(tools, references)
    if stack and stack.emulated:
        emulated_aws.start(stack, tools, references)
    elif stack:
        emulated_aws.forget()


def _announce(packages: Sequence[str], tools: Sequence[str], names: Sequence[str]) -> None:
    """Say what will be installed and built and roughly how long it takes; refuse a disk that is too small."""
    unbuilt = toolchain.missing(*tools)
    seconds = toolchain.about_seconds(unbuilt)
    if packages:
        progress.say(f"To install with apt-get: {', '.join(packages)}")
    if unbuilt:
        progress.say(f"To build: {', '.join(unbuilt)} (about {progress.duration(seconds)})")
        checks.disk(paths.cache(), checks.BUILD_DISK_BYTES, "building the tools")
    # Only buildah knows which images exist already.
    unbuilt_images = _all_images(names) if "buildah" in packages else images.missing(names)
    if unbuilt_images:
        about = progress.duration(sum(unbuilt_images.values()))
        progress.say(f"To build: images {', '.join(unbuilt_images)} (about {about})")
        checks.disk(paths.cache(), checks.IMAGES_DISK_BYTES, "building the images")


def _all_images(names: Sequence[str]) -> dict[str, int]:
    return {image.name: image.about_seconds for image in in_build_order(names)}


def _start(tools: Mapping[str, Path], references: Mapping[str, str]) -> None:
    with progress.step("Starting etcd and containerd"):
        where = cluster.start_runtime(tools, references)
    images.load(references)
    with progress.step("Starting the cluster", about_seconds=20):
        cluster.start(where, tools, references)
    images.prune(_known_images())


def _known_images() -> dict[str, str]:
    """Return the images of earlier runs: a run without a stack keeps the stack's images."""
    return json.loads(paths.images_file().read_text()) if paths.images_file().exists() else {}
