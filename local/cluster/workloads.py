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
KINDS = "deployments,statefulsets,horizontalpodautoscalers"

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
        waiting = [
            f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']} ({reason})"
            for item in _items(env, context)
            if item["metadata"]["namespace"] in NAMESPACES and (reason := why_not(item))
        ]
        if not waiting or time.monotonic() > deadline:
            return waiting
        time.sleep(POLL_SECONDS)


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
    command = ["kubectl", "get", KINDS, "--all-namespaces", "--output=json"]
    if context:
        command.append(f"--context={context}")
    result = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
    if result.returncode:
        raise LocalError(f"`{' '.join(command)}` failed: {result.stderr.strip()}")
    yield from json.loads(result.stdout)["items"]
