"""The container files of this repository are what the builder takes them for."""

import pytest

from local import paths, toolchain
from local.errors import LocalError
from local.images import containerfile, inputs
from local.images.catalogue import DEBIAN, IMAGES, RUNNABLE, Image, in_build_order

FOLDER = paths.REPOSITORY / "workloads" / "images"
BUILT = [image for image in IMAGES.values() if image.name != DEBIAN]


def test_every_folder_of_container_files_belongs_to_an_image() -> None:
    folders = {path.parent.name for path in FOLDER.glob("*/Containerfile")}
    assert folders == {image.folder for image in IMAGES.values()}


@pytest.mark.parametrize("image", BUILT, ids=lambda image: image.name)
def test_everything_that_a_container_file_reads_is_there(image: Image) -> None:
    read = containerfile.read(inputs.container_file(image))
    for pattern in read.patterns:
        assert list(paths.REPOSITORY.glob(pattern)), f"{pattern} matches nothing"
    assert set(read.binaries) <= set(toolchain.TOOLS)


@pytest.mark.parametrize("image", BUILT, ids=lambda image: image.name)
def test_an_image_runs_as_a_user_without_rights(image: Image) -> None:
    users = [line for line in inputs.container_file(image).read_text().splitlines() if line.startswith("USER ")]
    assert users, "no USER: the image would run as root"
    assert users[-1] != "USER 0"


def test_the_workloads_image_holds_every_package_of_the_workloads() -> None:
    copied = set(containerfile.read(FOLDER / "workloads" / "Containerfile").patterns)
    packages = {f"workloads/{path.parent.name}" for path in (paths.REPOSITORY / "workloads").glob("*/__init__.py")}
    assert packages <= copied


def test_an_image_comes_after_what_it_stands_on() -> None:
    names = [image.name for image in in_build_order(RUNNABLE)]
    assert names.index("debian") < names.index("base") < names.index("mlflow-deps") < names.index("workloads-deps")
    assert names.index("mlflow-deps") < names.index("mlflow")
    assert names.index("workloads-deps") < names.index("trainer-deps") < names.index("trainer")
    assert len(names) == len(set(names))


def test_an_unknown_image_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(LocalError, match=r"no image 'postgre'.*postgres.*trainer"):
        in_build_order(["postgre"])


def test_an_add_is_refused_because_its_input_could_not_be_told() -> None:
    with pytest.raises(LocalError, match="use COPY"):
        containerfile.read(FOLDER / "debian" / "Containerfile")
