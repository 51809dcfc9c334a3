"""The commit of an image, which its code can read but which doesn't cause a rebuild."""

import subprocess
from pathlib import Path

import pytest

from contracts import Env
from local import paths
from local.images import commit, inputs
from local.images.catalogue import IMAGES, Image

CONTAINERFILE = "ARG BASE\nFROM ${BASE}\nCOPY code /app/\nARG GIT_COMMIT=\nENV AEGIS_GIT_COMMIT=${GIT_COMMIT}\nUSER 1\n"
IMAGE = Image(name="demo", folder="demo", about_seconds=1)


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    return subprocess.run(
        ["git", *identity, "-C", str(repository), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def committed(repository: Path) -> str:
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "a")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    for name, text in {
        "workloads/images/demo/Containerfile": CONTAINERFILE,
        "code/main.py": "1",
        "README": "1",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "--quiet")
    return tmp_path


def arguments() -> list[str]:
    return commit.arguments(inputs.container_file(IMAGE))


def test_an_image_gets_the_commit_of_its_code(repository: Path) -> None:
    head = committed(repository)
    assert arguments() == ["--build-arg", f"GIT_COMMIT={head}"]
    (repository / "README").write_text("2")
    assert arguments() == ["--build-arg", f"GIT_COMMIT={head}"]
    (repository / "code" / "main.py").write_text("2")
    assert arguments() == ["--build-arg", f"GIT_COMMIT={head}-dirty"]


def test_an_untracked_file_makes_the_commit_dirty(repository: Path) -> None:
    head = committed(repository)
    (repository / "code" / "new.py").write_text("")
    assert arguments() == ["--build-arg", f"GIT_COMMIT={head}-dirty"]


def test_an_unrelated_commit_doesnt_rebuild_an_image(repository: Path) -> None:
    committed(repository)
    before = inputs.reference(IMAGE, "base", {}), arguments()
    (repository / "README").write_text("2")
    committed(repository)
    assert inputs.reference(IMAGE, "base", {}) == before[0]
    assert arguments() != before[1]


def test_code_outside_a_repository_has_no_commit(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert arguments() == []
    monkeypatch.setenv("PATH", "")
    assert arguments() == []


@pytest.mark.parametrize("name", ["workloads", "trainer"])
def test_the_code_in_an_image_can_read_its_commit(name: str) -> None:
    lines = inputs.container_file(IMAGES[name]).read_text().splitlines()
    assert f"ENV {Env.GIT_COMMIT}=${{{commit.ARGUMENT}}}" in lines
