"""This repository's container files match what the builder expects."""

import pytest

from local import paths, toolchain
from local.errors import LocalError
from local.images import containerfile, inputs
from local.images.catalogue import DEBIAN, IMAGES, RUNNABLE, Image, in_build_order

FOLDER = paths.REPOSITORY / "workloads" / "images"
BUILT = [image for image in IMAGES.values() if image.name != DEBIAN]


def test_every_container_file_belongs_to_an_image() -> None:
    folders = {path.parent.name for path in FOLDER.glob("*/Containerfile")}
    assert folders == {image.folder for image in IMAGES.values()}


@pytest.mark.parametrize("image", BUILT, ids=lambda image: image.name)
def test_every_input_of_a_container_file_exists(image: Image) -> None:
    read = containerfile.read(inputs.container_file(image))
    for pattern in read.patterns:
        assert list(paths.REPOSITORY.glob(pattern)), f"{pattern} matches nothing"
    assert set(read.binaries) <= set(toolchain.TOOLS)


@pytest.mark.parametrize("image", BUILT, ids=lambda image: image.name)
def test_every_input_of_a_container_file_is_sent_to_the_builder(image: Image) -> None:
    lines = (paths.REPOSITORY / ".dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    patterns = containerfile.read(inputs.container_file(image)).patterns
    assert {pattern.partition("/")[0] for pattern in patterns} <= sent


@pytest.mark.parametrize("image", BUILT, ids=lambda image: image.name)
def test_an_image_runs_as_an_unprivileged_user(image: Image) -> None:
    users = [line for line in inputs.container_file(image).read_text().splitlines() if line.startswith("USER ")]
    assert users, "no USER: the image would run as root"
    assert users[-1] != "USER 0"


def test_the_workloads_image_contains_every_package_of_the_workloads() -> None:
    copied = set(containerfile.read(FOLDER / "workloads" / "Containerfile").patterns)
    packages = {f"workloads/{path.parent.name}" for path in (paths.REPOSITORY / "workloads").glob("*/__init__.py")}
    assert packages <= copied


def test_an_image_comes_after_its_bases() -> None:
    names = [image.name for image in in_build_order(RUNNABLE)]
    assert names.index("debian") < names.index("base") < names.index("mlflow-deps") < names.index("workloads-deps")
    assert names.index("mlflow-deps") < names.index("mlflow")
    assert names.index("workloads-deps") < names.index("serving-deps") < names.index("trainer-deps")
    assert names.index("trainer-deps") < names.index("trainer")
    assert len(names) == len(set(names))


def test_an_unknown_image_is_refused_with_the_known_names() -> None:
    with pytest.raises(LocalError, match=r"no image 'postgre'.*postgres.*trainer"):
        in_build_order(["postgre"])


def test_an_add_is_refused_because_its_inputs_are_unknown() -> None:
    with pytest.raises(LocalError, match="use COPY"):
        containerfile.read(FOLDER / "debian" / "Containerfile")
