"""Readiness of a stack's workloads: every replica is ready, and every autoscaler has metrics."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

import contracts
from local.errors import LocalError

WAIT_SECONDS = 300
POLL_SECONDS = 1.0
# Other namespaces of an existing cluster are not ours.
NAMESPACES = (contracts.MLFLOW_NAMESPACE, contracts.VAULT_NAMESPACE, contracts.SERVING_NAMESPACE)
KINDS = "deployments,statefulsets"
AUTOSCALERS = "horizontalpodautoscalers"
# The API of a metrics server, which autoscalers need; kind has none.
METRICS_API = "/apis/metrics.k8s.io/v1beta1"

Object = Mapping[str, Any]


def wait(env: Mapping[str, str], context: str | None = None) -> None:
    """Wait until every workload is in service.

    Raises:
        LocalError: A workload is not in service in time; names it.
    """
    if waiting := settle(env, context, seconds=WAIT_SECONDS):
        raise LocalError(
            f"Not in service after {WAIT_SECONDS} s: {'; '.join(waiting)}. See `kubectl describe` for the cause."
        )


def settle(env: Mapping[str, str], context: str | None = None, *, seconds: float) -> list[str]:
    """Wait at most `seconds` until every workload is in service; return those that are not, each with a reason."""
    deadline = time.monotonic() + seconds
    while True:
        waiting = [f"{name} ({reason})" for name, reason in look(env, context).items() if reason]
        if not waiting or time.monotonic() > deadline:
            return waiting
        time.sleep(POLL_SECONDS)


def look(env: Mapping[str, str], context: str | None = None) -> dict[str, str | None]:
    """Return a stack's workloads by kind and name, each with the reason why it is not in service; None if it is."""
    return {
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}": why_not(item)
        for item in _items(env, context)
        if item["metadata"]["namespace"] in NAMESPACES and not _serves_a_model(item)
    }


def why_not(item: Object) -> str | None:
    """Return why a Deployment, StatefulSet or HorizontalPodAutoscaler is not in service; None if it is."""
    status = item.get("status", {})
    if item["kind"] == "HorizontalPodAutoscaler":
        active = any(c["type"] == "ScalingActive" and c["status"] == "True" for c in status.get("conditions", ()))
        return None if active else "no metrics yet"
    if status.get("observedGeneration", 0) < item["metadata"]["generation"]:
        return "not observed by its controller yet"
    replicas = item["spec"].get("replicas", 1)
    ready = min(status.get("readyReplicas", 0), status.get("updatedReplicas", 0))
    return None if replicas <= ready else f"{ready} of {replicas} replicas ready"


def _serves_a_model(item: Object) -> bool:
    """Whether the reconciler made it, which rolls models out on its own and says how far it is."""
    return contracts.SERVING_PART_LABEL in item["metadata"].get("labels", {})


def _items(env: Mapping[str, str], context: str | None) -> Iterator[Object]:
    # Without metrics an autoscaler leaves the replicas unchanged, and an existing cluster may never have metrics.
    scales = context is None or _kubectl(env, context, "get", f"--raw={METRICS_API}").returncode == 0
    kinds = f"{KINDS},{AUTOSCALERS}" if scales else KINDS
    result = _kubectl(env, context, "get", kinds, "--all-namespaces", "--output=json")
    if result.returncode:
        raise LocalError(f"`{' '.join(result.args)}` failed: {result.stderr.strip()}")
    yield from json.loads(result.stdout)["items"]


def _kubectl(env: Mapping[str, str], context: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["kubectl", *arguments, *([f"--context={context}"] if context else [])]
    return subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
