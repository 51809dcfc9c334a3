"""What the objects in the cluster say about the served models."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import contracts
from contracts import Exit
from workloads.serving.rollout import names
from workloads.serving.rollout.pods import FINAL_CODES, VERIFY, VOLUME, Object
from workloads.serving.rollout.situation import CANARY_ROUTE, Delivery, Observed, Pod, Version

# Characters of the message with which a command ended. Kubernetes keeps 2,048 bytes of it.
_LONGEST_REASON: Final = 2000
# Characters of why a pod has no node.
_LONGEST_UNSCHEDULED: Final = 200
_ERROR: Final = "error: "
_NO_MEMORY: Final = "OOMKilled"
# A pod that took more of its node's disk than its limit: its containers only say that they were killed.
_EVICTED: Final = "Evicted"
# What a container waits for after it ended, and what it waits for before its turn: neither says why.
_CRASHED: Final = "CrashLoopBackOff"
_UNTOLD: Final = (_CRASHED, "PodInitializing")


def observe(objects: Iterable[Object]) -> dict[str, Observed]:
    """Return what is seen of each model, by its DNS label."""
    by_model: dict[str, list[Object]] = defaultdict(list)
    for each in objects:
        if model := _labels(each).get(names.MODEL):
            by_model[model].append(each)
    return {model: _model(model, found) for model, found in by_model.items()}


def owners(objects: Iterable[Object]) -> dict[str, set[str]]:
    """Return by DNS label the names of the models whose objects have it."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in objects:
        name = (each["metadata"].get("annotations") or {}).get(names.MODEL_NAME)
        if name is not None and (label := _labels(each).get(names.MODEL)):
            found[label].add(name)
    return found


def _model(label: str, objects: Sequence[Object]) -> Observed:
    by_version: dict[str, list[Object]] = defaultdict(list)
    route = None
    for each in objects:
        if each["kind"] == "Service":
            # KServe's own Services have the same labels.
            if each["metadata"]["name"] != label or _is_leaving(each):
                continue
            selector = each["spec"].get("selector") or {}
            route = CANARY_ROUTE if names.TRAFFIC in selector else selector.get(names.VERSION)
        elif version := _labels(each).get(names.VERSION):
            by_version[version].append(each)
    return Observed(versions={version: _version(found) for version, found in by_version.items()}, route=route)


def _version(objects: Sequence[Object]) -> Version:
    kinds: dict[str, list[Object]] = defaultdict(list)
    for each in objects:
        if not _is_leaving(each):
            kinds[each["kind"]].append(each)
    deliveries = [pod for pod in kinds["Pod"] if _part(pod) == contracts.DELIVERY_PART]
    delivery, reason = _delivery(kinds["Job"], kinds["PersistentVolumeClaim"], deliveries)
    pods = tuple(_pod(pod) for pod in kinds["Pod"] if _part(pod) == contracts.SERVER_PART)
    found = Version(delivery=delivery, reason=reason, image=_image(deliveries), pods=pods)
    for each in kinds["InferenceService"]:
        predictor = each["spec"]["predictor"]
        found = _with_servers(found, each, predictor)
        return replace(found, replicas=predictor.get("minReplicas", 1), available=sum(pod.ready for pod in pods))
    for each in kinds["Deployment"]:
        found = _with_servers(found, each, each["spec"].get("template", {}).get("spec", {}))
        return replace(found, replicas=each["spec"].get("replicas", 1), available=_available(each))
    return found


def _with_servers(found: Version, servers: Object, pod: Object) -> Version:
    """Return the version with what the spec of its servers' pods says about it."""
    has_own = pod.get("volumes") is not None and all(volume["name"] != VOLUME for volume in pod["volumes"])
    checks = [each["command"] for each in pod.get("initContainers") or () if each["name"] == VERIFY]
    contents = [command[command.index("--content") + 1] for command in checks if "--content" in command]
    return replace(
        found,
        image=found.image or (pod["containers"][0]["image"] if has_own else None),
        content=next(iter(contents), None),
        track=_labels(servers).get(names.TRACK),
    )


def _available(deployment: Object) -> int:
    """Return how many pods of the Deployment as it is now are available; its status may be of an earlier one."""
    status = deployment.get("status") or {}
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return 0
    return min(status.get("availableReplicas", 0), status.get("updatedReplicas", 0))


def _delivery(jobs: Sequence[Object], volumes: Sequence[Object], pods: Sequence[Object]) -> tuple[Delivery, str]:
    """Return how far a delivery is. Without its volume or its Job, it must be made again."""
    if not jobs or (_has_volume(jobs[0]) and not volumes):
        return "none", ""
    conditions = {
        each["type"]: each for each in jobs[0].get("status", {}).get("conditions") or () if each["status"] == "True"
    }
    if "Complete" in conditions:
        # Only the pod's message names an image.
        known = _has_volume(jobs[0]) or _image(pods)
        return ("done", "") if known else ("failed", "its pod is gone, which named the image")
    if "Failed" not in conditions:
        return "running", next((waiting for pod in pods if (waiting := _waiting(pod))), "")
    ended = [each for pod in pods for each in _terminated(pod) if each.get("exitCode")]
    for each in ended:
        if each["exitCode"] == Exit.NOT_VERIFIED:
            return "refused", _reason(each)
    for each in ended:
        if each["exitCode"] in FINAL_CODES:
            return "impossible", _reason(each)
    evicted = [str(pod["status"].get("message")) for pod in pods if pod["status"].get("reason") == _EVICTED]
    reasons = evicted or [_reason(each) for each in ended] or [conditions["Failed"].get("message", "")]
    return "failed", reasons[-1]


def _has_volume(job: Object) -> bool:
    volumes = job["spec"]["template"]["spec"].get("volumes") or ()
    return any("persistentVolumeClaim" in volume for volume in volumes)


def _image(pods: Sequence[Object]) -> str | None:
    """Return the reference that a delivery by image printed."""
    messages = [
        each.get("message", "").strip() for pod in pods for each in _terminated(pod) if each.get("exitCode") == 0
    ]
    return next((message for message in messages if "@sha256:" in message), None)


def _pod(pod: Object) -> Pod:
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    checks = [ended for each in containers if each["name"] == VERIFY for ended in _endings(each)]
    return Pod(
        name=pod["metadata"]["name"],
        address=status.get("podIP"),
        ready=any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ()),
        open=_labels(pod).get(names.TRAFFIC) == names.OPEN,
        restarts=sum(each.get("restartCount", 0) for each in containers),
        waiting=_waiting(pod),
        check_refused=any(ended.get("exitCode") == Exit.NOT_VERIFIED for ended in checks),
    )


def _waiting(pod: Object) -> str | None:
    """Return what a pod waits for: a node, or what its first container that waits says."""
    status = pod.get("status") or {}
    for each in status.get("conditions") or ():
        if each["type"] == "PodScheduled" and each["status"] == "False":
            # What follows says why no other pod can make room.
            message = (each.get("message") or each.get("reason") or "").partition(" preemption:")[0].rstrip(".")
            return message[:_LONGEST_UNSCHEDULED] or None
    containers = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return next((reason for each in containers if (reason := _held_up(each))), None)


def _held_up(container: Object) -> str | None:
    """Return what a container waits for, or why it ended before, unless it is ready."""
    reason = ((container.get("state") or {}).get("waiting") or {}).get("reason")
    if reason and reason not in _UNTOLD:
        return reason
    failed = next((each for each in _endings(container) if each.get("exitCode")), None)
    if failed and not container.get("ready"):
        said = _reason(failed)
        return f"{_NO_MEMORY}: {said}" if failed.get("reason") == _NO_MEMORY != said else said
    return reason if reason == _CRASHED else None


def _terminated(pod: Object) -> Iterator[Object]:
    status = pod.get("status") or {}
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        yield from _endings(each)


def _endings(container: Object) -> Iterator[Object]:
    for state in ("state", "lastState"):
        if ended := (container.get(state) or {}).get("terminated"):
            yield ended


def _reason(ended: Mapping[str, object]) -> str:
    lines = str(ended.get("message") or ended.get("reason") or "").strip().splitlines()
    return (lines[-1] if lines else f"exit code {ended.get('exitCode')}").removeprefix(_ERROR)[:_LONGEST_REASON]


def _labels(each: Object) -> Mapping[str, str]:
    return each["metadata"].get("labels") or {}


def _part(pod: Object) -> str | None:
    return _labels(pod).get(contracts.SERVING_PART_LABEL)


def _is_leaving(each: Object) -> bool:
    return bool(each["metadata"].get("deletionTimestamp"))
