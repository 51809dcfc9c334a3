"""Fixtures: the files and environment variables that a stack needs, and the graph of each stack file."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import contracts
from tests.support.engine import STACK_FILES, Graph, run_program, stack_config

IMAGES = {name: f"localhost/aegis/{name}:0123456789ab" for name in contracts.IMAGES}


def surround(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Set the environment variables that `make env` sets, and create the files that they name."""
    kubeconfig, images = folder / "kubeconfig", folder / "images.json"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")
    # The embedded platform's file also lists the images of the platform itself.
    images.write_text(json.dumps(IMAGES | {"pause": "localhost/aegis/pause:1"}))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv(contracts.IMAGES_FILE_ENV, str(images))
    monkeypatch.setenv(contracts.AWS_ENDPOINT_ENV, "http://127.0.0.1:5555")
    monkeypatch.delenv(contracts.CONTEXT_ENV, raising=False)
    # Formatting an Output as a string is an error instead of a warning in the text.
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    surround(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def module_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        surround(monkeypatch, tmp_path_factory.mktemp("surroundings"))
        yield


@functools.cache
def stack_graph(stack_file: Path) -> Graph:
    """Run the whole program once for each stack file, as the tests only read the graph."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        surround(monkeypatch, Path(folder))
        return run_program(stack_config(stack_file), stack=stack_file.name.split(".")[1])


@pytest.fixture(params=STACK_FILES, ids=lambda path: path.name.split(".")[1])
def graph(request: pytest.FixtureRequest) -> Graph:
    """Return the graph of the whole program, for each stack file."""
    return stack_graph(request.param)
