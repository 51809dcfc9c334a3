"""The stack that `make up` brings up: its release, its autoscaler, a preview without changes, and a manual backup."""

import json
import os
import subprocess
import sys
from typing import Any

import mlflow
import pytest

import contracts
from local import env, paths
from tests.platform.kubectl import Kubectl


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    """Run `make up` again and return its summary."""
    command = [sys.executable, "-m", "local.up", "--json"]
    result = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False, timeout=580)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def mlflow_pods(summary: dict[str, Any]) -> Kubectl:
    return Kubectl(contracts.MLFLOW_NAMESPACE)


@pytest.fixture
def engine() -> dict[str, str]:
    return {**os.environ, **env.engine_environment()}


def test_a_preview_after_make_up_shows_no_change(summary: dict[str, Any], engine: dict[str, str]) -> None:
    command = ["pulumi", "preview", "--stack", "local", "--non-interactive", "--expect-no-changes", "--diff"]
    result = subprocess.run(
        command, cwd=paths.REPOSITORY, env=engine, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_summary_shows_a_released_model_with_a_verified_signature(summary: dict[str, Any]) -> None:
    release = summary["release"]
    assert release["verified"] is True
    assert release["metric"] == "val/accuracy"
    assert release["value"] > 0.9


def test_the_registered_version_refers_to_its_signature(summary: dict[str, Any]) -> None:
    release = summary["release"]
    client = mlflow.MlflowClient(tracking_uri=summary["addresses"]["mlflow_url"])
    tags = client.get_model_version(release["model"], str(release["version"])).tags
    assert tags["aegis.archive.uri"] == release["archive"]
    assert tags["aegis.key.name"] == contracts.TRANSIT_KEY


def test_the_autoscaler_keeps_two_pods_by_cpu_and_memory(mlflow_pods: Kubectl) -> None:
    autoscaler = mlflow_pods.json("get", "hpa", "mlflow")
    assert (autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]) == (2, 2)
    targets = {
        metric["resource"]["name"]: metric["resource"]["target"]["averageUtilization"]
        for metric in autoscaler["spec"]["metrics"]
    }
    assert targets == {"cpu": 70, "memory": 90}


def test_a_manual_backup_is_created_and_verified(mlflow_pods: Kubectl) -> None:
    (cron_job,) = mlflow_pods.json("get", "cronjob")["items"]
    name = cron_job["metadata"]["name"]
    assert cron_job["spec"]["concurrencyPolicy"] == "Forbid"
    mlflow_pods("delete", "job", "by-hand", "--ignore-not-found")
    mlflow_pods("create", "job", "by-hand", f"--from=cronjob/{name}")
    mlflow_pods("wait", "job/by-hand", "--for=condition=Complete", "--timeout=140s")
    mlflow_pods("delete", "job", "by-hand")
