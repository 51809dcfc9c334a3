"""Whether what a stack runs in the cluster is in service: every replica ready, every autoscaler with figures."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

import contracts
from local.errors import LocalError

WAIT_SECONDS = 300
POLL_SECONDS = 1.0
# What others run in the same cluster is theirs.
NAMESPACES = (contracts.MLFLOW_NAMESPACE, contracts.VAULT_NAMESPACE)
KINDS = "deployments,statefulsets"
AUTOSCALERS = "horizontalpodautoscalers"
# Whoever serves the figures that autoscalers go by; kind brings nobody who does.
FIGURES = "/apis/metrics.k8s.io/v1beta1"

Object = Mapping[str, Any]


def wait(env: Mapping[str, str], context: str | None = None) -> None:
    """Wait until everything is in service.

    Raises:
        LocalError: Something isn't in time; names it.
    """
    if waiting := settle(env, context, seconds=WAIT_SECONDS):
        raise LocalError(f"Not in service after {WAIT_SECONDS} s: {'; '.join(waiting)}. Ask `kubectl describe` why.")


def settle(env: Mapping[str, str], context: str | None = None, *, seconds: float) -> list[str]:
    """Wait until everything is in service, or the time is over; return what then isn't, each with its reason."""
    deadline = time.monotonic() + seconds
    while True:
        waiting = [f"{name} ({reason})" for name, reason in look(env, context).items() if reason]
        if not waiting or time.monotonic() > deadline:
            return waiting
        time.sleep(POLL_SECONDS)


def look(env: Mapping[str, str], context: str | None = None) -> dict[str, str | None]:
    """Return everything that a stack runs, by kind and name, and why it isn't in service; None if it is."""
    return {
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}": why_not(item)
        for item in _items(env, context)
        if item["metadata"]["namespace"] in NAMESPACES
    }


def why_not(item: Object) -> str | None:
    """Return why a Deployment, StatefulSet or HorizontalPodAutoscaler is not in service; None if it is."""
    status = item.get("status", {})
    if item["kind"] == "HorizontalPodAutoscaler":
        active = any(c["type"] == "ScalingActive" and c["status"] == "True" for c in status.get("conditions", ()))
        return None if active else "no figures yet"
    if status.get("observedGeneration", 0) < item["metadata"]["generation"]:
        return "not looked at yet"
    wanted, ready = item["spec"].get("replicas", 1), status.get("readyReplicas", 0)
    updated = status.get("updatedReplicas", 0)
    return None if wanted <= min(ready, updated) else f"{min(ready, updated)} of {wanted} replicas ready"


def _items(env: Mapping[str, str], context: str | None) -> Iterator[Object]:
    # An autoscaler without figures leaves the replicas as they are, and an existing cluster may have none for good.
    scales = context is None or _kubectl(env, context, "get", f"--raw={FIGURES}").returncode == 0
    kinds = f"{KINDS},{AUTOSCALERS}" if scales else KINDS
    result = _kubectl(env, context, "get", kinds, "--all-namespaces", "--output=json")
    if result.returncode:
        raise LocalError(f"`{' '.join(result.args)}` failed: {result.stderr.strip()}")
    yield from json.loads(result.stdout)["items"]


def _kubectl(env: Mapping[str, str], context: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["kubectl", *arguments, *([f"--context={context}"] if context else [])]
    return subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
