"""The cluster for the platform tests: brought up if necessary, and left running."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from local import paths
from tests.platform.kubectl import Kubectl

NAMESPACE = "aegis-test"


def up(*options: str) -> str:
    """Bring the stack up or repair it, or with `--cluster-only` the cluster alone, and return the output."""
    command = [sys.executable, "-m", "local.up", *options]
    result = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stderr
    return result.stderr


@pytest.fixture(scope="session")
def cluster() -> None:
    up("--cluster-only")


@pytest.fixture(scope="session")
def kubectl(cluster: None) -> Iterator[Kubectl]:
    """Return kubectl for a namespace of the tests, restricted like the stack's."""
    run = Kubectl(NAMESPACE)
    run("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")
    run.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }
    )
    run.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    yield run
    run("delete", "namespace", NAMESPACE, "--timeout=120s")
