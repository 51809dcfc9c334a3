"""Readiness of pods, the problems of a workload's pods, and the end of a failed pod's log."""

from typing import Any, Final
from urllib.parse import quote

from local.plugins.kubernetes.client import Object
from local.plugins.kubernetes.objects import condition, dig, metadata, name, namespace
from local.plugins.kubernetes.readiness.verdict import Reader, Verdict, failed, ready, waiting
from local.plugins.provider import PluginError

_LOG_LINES: Final = 20
# Waiting reasons that are part of a normal start.
_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})


def pod(live: Object, client: Reader) -> Verdict:
    """Check that a pod is running and ready, or has succeeded."""
    match dig(live, "status", "phase"):
        case "Succeeded":
            return ready("the pod has succeeded")
        case "Failed":
            message = dig(live, "status", "message") or dig(live, "status", "reason") or "a container failed"
            return failed(f"the pod has failed: {message}", *log_tail(live, client))
        case "Running" if condition(live, "Ready").get("status") == "True":
            return ready("the pod is ready")
        case phase:
            return waiting("; ".join(problems(live)) or f"the pod is {phase or 'Pending'}, not ready yet")


def of_selector(in_namespace: str, labels: dict[str, str], client: Reader) -> list[Object]:
    """Return the pods in a namespace that have all the labels, newest first."""
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    found = client.get(f"/api/v1/namespaces/{quote(in_namespace)}/pods", labelSelector=selector)["items"]
    return sorted(found, key=lambda each: metadata(each).get("creationTimestamp", ""), reverse=True)


def troubles(in_namespace: str, labels: dict[str, str], client: Reader) -> list[str]:
    """Return the reasons why pods of a workload aren't ready, without duplicates."""
    try:
        found = of_selector(in_namespace, labels, client)
    except PluginError:
        # This is only an explanation, so the wait continues without it.
        return []
    lines = [f"pod {name(each)}: {problem}" for each in found for problem in problems(each)]
    return list(dict.fromkeys(lines))


def problems(live: Object) -> list[str]:
    """Return the reasons why a pod isn't ready."""
    scheduled = condition(live, "PodScheduled")
    if scheduled.get("status") == "False":
        return [f"{scheduled.get('reason')}: {scheduled.get('message')}"]
    statuses = [
        *(dig(live, "status", "initContainerStatuses") or []),
        *(dig(live, "status", "containerStatuses") or []),
    ]
    return [text for status in statuses if (text := _problem(status))]


def _problem(status: dict[str, Any]) -> str:
    waits = dig(status, "state", "waiting") or {}
    ended = dig(status, "state", "terminated") or {}
    before = dig(status, "lastState", "terminated") or {}
    if waits.get("reason") and waits["reason"] not in _STARTING:
        last = f", previously exited with {before['exitCode']}" if before else ""
        return f"{status['name']}: {waits['reason']}: {waits.get('message', '')}{last}".rstrip(": ")
    if ended.get("exitCode"):
        return f"{status['name']}: {ended.get('reason', 'Error')}, exited with {ended['exitCode']}"
    return ""


def log_tail(live: Object, client: Reader) -> list[str]:
    """Return the end of the log of a pod's first failed container, for an error message."""
    statuses = dig(live, "status", "containerStatuses") or []
    bad = [each["name"] for each in statuses if dig(each, "state", "terminated", "exitCode")]
    container = bad[0] if bad else dig(live, "spec", "containers")[0]["name"]
    path = f"/api/v1/namespaces/{quote(namespace(live))}/pods/{quote(name(live))}/log"
    try:
        text = client.text(path, container=container, tailLines=str(_LOG_LINES))
    except PluginError:
        return []
    lines = text.rstrip().splitlines()
    return [f"the end of the log of pod {name(live)}:\n" + "\n".join(f"  {line}" for line in lines)] if lines else []
