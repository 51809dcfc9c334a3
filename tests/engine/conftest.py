import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import paths
from local.servers import Kubernetes
from tests.engine.servers import Vault
from tests.engine.stack import Stack
from tests.support.aws_server import Aws, Network


def _tool(name: str) -> Path:
    built = paths.bin_dir() / name
    program = str(built) if built.is_file() else shutil.which(name)
    assert program, (
        f"{name} is neither on PATH nor in {paths.bin_dir()}: build it with python -m local.toolchain {name}"
    )
    return Path(program)


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    tools = {name: _tool(name) for name in ("etcd", "kube-apiserver", "kube-controller-manager")}
    server = Kubernetes(tmp_path_factory.mktemp("kubernetes"), tools)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    tools = {name: _tool(name) for name in ("vault", "vault-plugin-auth-kubernetes")}
    server = Vault(tmp_path_factory.mktemp("vault"), tools)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(folder=tmp_path / "project", pulumi=_tool("pulumi"))


@pytest.fixture
def make_stack(tmp_path: Path) -> Callable[[str], Stack]:
    return lambda name: Stack(folder=tmp_path / name, pulumi=_tool("pulumi"))


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Aws]:
    server = Aws()
    yield server
    server.stop()


@pytest.fixture
def aws(aws_server: Aws) -> Aws:
    """An empty account."""
    aws_server.reset()
    return aws_server


@pytest.fixture
def network(aws: Aws) -> Network:
    return aws.network()
