"""The doctor finds nothing wrong with the platform at rest, and finds what is broken on purpose."""

import json
import subprocess
import sys
from typing import Any

import pytest

import contracts
from local import paths
from tests.platform.kubectl import Kubectl, eventually

DOCTOR = [sys.executable, "-m", "local.doctor"]


@pytest.fixture
def mlflow() -> Kubectl:
    return Kubectl(contracts.MLFLOW_NAMESPACE)


def examined(*only: str) -> dict[str, dict[str, Any]]:
    options = [option for name in only for option in ("--only", name)]
    done = subprocess.run(
        [*DOCTOR, *options, "--json"], cwd=paths.REPOSITORY, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stdout, done.stderr
    return {one["check"]: one for one in json.loads(done.stdout)["checks"]}


def test_nothing_is_wrong_with_a_platform_at_rest() -> None:
    # Earlier tests restart containers on purpose.
    found = {name: one for name, one in examined().items() if name != "restarts"}
    assert {name: one for name, one in found.items() if not one["ok"]} == {}


def test_a_suspended_backup_is_a_warning(mlflow: Kubectl) -> None:
    mlflow("patch", "cronjob/backup", "--patch", json.dumps({"spec": {"suspend": True}}))
    try:
        found = examined("CronJobs")["CronJobs"]
        assert (found["severity"], found["evidence"]) == ("warning", "mlflow/backup")
    finally:
        mlflow("patch", "cronjob/backup", "--patch", json.dumps({"spec": {"suspend": False}}))


def test_a_namespace_without_its_policy_is_an_error(mlflow: Kubectl) -> None:
    policy = mlflow.json("get", "networkpolicy", "default-deny")
    mlflow("delete", "networkpolicy", "default-deny")
    try:
        found = examined("network policies", "stack objects")
        assert {name: one["severity"] for name, one in found.items()} == dict.fromkeys(found, "error")
        assert found["stack objects"]["evidence"] == "NetworkPolicy mlflow/default-deny"
    finally:
        mlflow.apply({**policy, "metadata": {"name": "default-deny", "namespace": mlflow.namespace}})
    eventually(lambda: examined("network policies")["network policies"]["ok"])
