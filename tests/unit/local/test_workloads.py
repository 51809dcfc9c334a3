"""A workload is in service if all its replicas are updated and ready; an autoscaler, if it has metrics."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.cluster.workloads import look, why_not


def deployment(**status: Any) -> dict[str, Any]:
    ready = {"observedGeneration": 2, "readyReplicas": 2, "updatedReplicas": 2}
    return {"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": ready | status}


def autoscaler(*conditions: tuple[str, str]) -> dict[str, Any]:
    listed = [{"type": kind, "status": status} for kind, status in conditions]
    return {"kind": "HorizontalPodAutoscaler", "metadata": {}, "spec": {}, "status": {"conditions": listed}}


def test_a_deployment_with_all_replicas_ready_is_in_service() -> None:
    assert why_not(deployment()) is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"readyReplicas": 1}, "1 of 2 replicas ready"),
        ({"updatedReplicas": 0}, "0 of 2 replicas ready"),
        ({"observedGeneration": 1}, "not observed by its controller yet"),
    ],
)
def test_a_deployment_during_a_rollout_is_not_in_service(status: dict[str, int], reason: str) -> None:
    assert why_not(deployment(**status)) == reason


def test_a_workload_not_observed_yet_is_not_in_service() -> None:
    fresh = {"kind": "StatefulSet", "metadata": {"generation": 1}, "spec": {"replicas": 1}}
    assert why_not(fresh) == "not observed by its controller yet"


def test_a_workload_with_zero_replicas_is_in_service() -> None:
    idle = deployment(readyReplicas=0, updatedReplicas=0)
    idle["spec"]["replicas"] = 0
    assert why_not(idle) is None


def test_an_autoscaler_needs_metrics() -> None:
    assert why_not(autoscaler(("AbleToScale", "True"), ("ScalingActive", "True"))) is None
    assert why_not(autoscaler(("AbleToScale", "True"), ("ScalingActive", "False"))) == "no metrics yet"
    assert why_not(autoscaler()) == "no metrics yet"


def test_the_platform_is_in_service_while_the_reconciler_rolls_a_model_out(tmp_path: Path) -> None:
    labels = {"aegis.serving/part": "server"}
    found = [
        deployment() | {"metadata": {"namespace": namespace, "name": name, "generation": 2, "labels": labels_of}}
        for namespace, name, labels_of in (
            ("mlflow", "gateway", {}),
            ("serving", "serving-reconciler", {}),
            ("serving", "digits-v3", labels),
            ("kube-system", "coredns", {}),
        )
    ]
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps({'items': found})}\nEND\n")
    kubectl.chmod(0o755)
    assert look({"PATH": f"{tmp_path}:/usr/bin:/bin"}) == {
        "Deployment mlflow/gateway": None,
        "Deployment serving/serving-reconciler": None,
    }
