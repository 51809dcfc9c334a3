import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fake_registry import HOST, PASSWORD, USER, FakeRegistry
from tests.unit.serving.oci.world import WEIGHTS, World
from workloads import retry


@pytest.fixture
def deliver(tmp_path: Path) -> Callable[[str], Path]:
    """Write the files of a delivered version into a new folder of this name."""

    def write(name: str) -> Path:
        folder = tmp_path / name
        (folder / "model" / "data").mkdir(parents=True)
        (folder / "evidence").mkdir()
        (folder / "model" / "MLmodel").write_text("run_id: 0123abc\n")
        (folder / "model" / "data" / "weights.bin").write_bytes(WEIGHTS)
        (folder / "model" / "tokens.json").write_text('{"token": 1}\n' * 20_000)
        (folder / "evidence" / "manifest.json").write_text("{}")
        return folder

    return write


@pytest.fixture
def world(deliver: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A registry without a login, whose client doesn't wait between attempts and has no credentials."""
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return World(registry=FakeRegistry(), folder=deliver("models"))


@pytest.fixture
def docker_config(world: World, tmp_path: Path) -> Path:
    """The path of Docker's config.json."""
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker" / "config.json"


@pytest.fixture
def log_in(docker_config: Path) -> None:
    """Write the right credentials into Docker's config.json."""
    docker_config.write_text(json.dumps({"auths": {HOST: {"username": USER, "password": PASSWORD}}}))
