"""Only missing images are built, and only those that containerd lacks are loaded."""

from pathlib import Path

import pytest

from local import images, paths
from local.errors import LocalError
from local.images import buildah, containerd
from local.images.catalogue import Image


class Machine:
    """An in-memory image cache and containerd."""

    def __init__(self) -> None:
        self.built: list[str] = []
        self.cache: list[str] = []
        self.containerd: set[str] = set()
        self.loads: list[str] = []

    def build(self, builder: object, image: Image, reference: str, base: str | None, tools: object, log: Path) -> None:
        assert base is None or base in self.cache, f"{image.name} was built before its base"
        self.built.append(image.name)
        self.cache.insert(0, reference)

    def load(self, reference: str, log: Path) -> None:
        self.loads.append(reference)
        self.containerd.add(reference)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("AEGIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    state = Machine()
    monkeypatch.setattr(images, "build", state.build)
    monkeypatch.setattr(buildah, "clear", lambda log: None)
    monkeypatch.setattr(buildah, "references", lambda: list(state.cache))
    monkeypatch.setattr(buildah, "forget", lambda reference, log: state.cache.remove(reference))
    monkeypatch.setattr(containerd, "loaded", lambda: set(state.containerd))
    monkeypatch.setattr(containerd, "load", state.load)
    return state


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the inputs, so that a test can change them."""
    copy = tmp_path / "repository"
    for source in paths.REPOSITORY.glob("workloads/**/*"):
        if source.is_file() and "__pycache__" not in source.parts:
            target = copy / source.relative_to(paths.REPOSITORY)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    for name in ("requirements.txt", "contracts.py"):
        (copy / name).write_bytes((paths.REPOSITORY / name).read_bytes())
    monkeypatch.setattr(paths, "REPOSITORY", copy)
    return copy


def test_an_empty_cache_builds_an_image_and_its_bases_in_order(machine: Machine) -> None:
    images.ensure(["workloads"])
    assert machine.built == ["debian", "base", "mlflow-deps", "workloads-deps", "workloads"]


def test_a_full_cache_builds_nothing_and_gives_the_same_references(machine: Machine) -> None:
    first = images.ensure(["mlflow", "trainer"])
    machine.built.clear()
    assert images.ensure(["mlflow", "trainer"]) == first
    assert machine.built == []
    assert images.missing(["mlflow", "trainer"]) == {}


def test_a_missing_base_isnt_needed_if_nothing_is_built_on_it(machine: Machine) -> None:
    references = images.ensure(["workloads"])
    machine.cache = list(references.values())
    assert images.missing(["workloads"]) == {}


def test_changed_code_rebuilds_only_the_code_layers(machine: Machine, repository: Path) -> None:
    images.ensure(["workloads", "trainer"])
    machine.built.clear()
    (repository / "workloads" / "cli.py").write_text("changed")
    images.ensure(["workloads", "trainer"])
    assert machine.built == ["workloads", "trainer"]


def test_the_cache_keeps_the_newest_two_builds_of_an_image(machine: Machine, repository: Path) -> None:
    references = []
    for text in ("first", "second", "third"):
        (repository / "workloads" / "cli.py").write_text(text)
        references.append(images.ensure(["workloads"])["workloads"])
    assert [reference for reference in machine.cache if "/workloads:" in reference] == [references[2], references[1]]


def test_missing_images_are_listed_with_their_build_times(machine: Machine) -> None:
    missing = images.missing(["postgres"])
    assert list(missing) == ["debian", "base", "postgres"]
    assert all(seconds > 0 for seconds in missing.values())
    assert machine.built == []


def test_an_image_is_loaded_once(machine: Machine) -> None:
    references = images.ensure(["base", "mlflow"])
    images.load(references)
    images.load(references)
    assert machine.loads == list(references.values())


def test_a_failed_build_is_resumed_by_the_next_call(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(builder: object, image: Image, *arguments: object) -> None:
        if image.name == "mlflow-deps":
            raise LocalError("no such package")
        machine.build(builder, image, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(images, "build", refuse)
    with pytest.raises(LocalError, match="no such package"):
        images.ensure(["workloads"])
    monkeypatch.setattr(images, "build", machine.build)
    machine.built.clear()
    images.ensure(["workloads"])
    assert machine.built == ["mlflow-deps", "workloads-deps", "workloads"]
