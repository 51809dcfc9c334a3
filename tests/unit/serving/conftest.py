from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.code_models import Saved


@pytest.fixture(scope="session")
def code_models() -> Any:
    """The module that makes the models. It imports PyTorch, which few tests of this folder need."""
    return import_module("tests.support.code_models")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def trained(code_models: Any, folder: Path) -> "Saved":
    return code_models.trained(folder)


@pytest.fixture(scope="session")
def random_llama(code_models: Any, folder: Path) -> "Saved":
    return code_models.random_llama(folder)


@pytest.fixture(scope="session")
def adapter(code_models: Any, trained: "Saved", folder: Path) -> "Saved":
    return code_models.adapter(folder)
