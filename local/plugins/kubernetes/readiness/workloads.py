"""Readiness of Deployments, StatefulSets, DaemonSets, ReplicaSets and Jobs."""

from local.plugins.kubernetes.client import Object
from local.plugins.kubernetes.objects import condition, dig, metadata, name, namespace
from local.plugins.kubernetes.readiness import pods
from local.plugins.kubernetes.readiness.verdict import Reader, Verdict, failed, ready, waiting
from local.plugins.provider import PluginError


def deployment(live: Object, client: Reader) -> Verdict:
    """Check that the newest revision is rolled out and available."""
    if dig(live, "spec", "paused"):
        return ready("paused")
    if not _observed(live):
        return waiting("waiting for the controller")
    desired = _count(live, "spec", "replicas", default=1)
    updated, available = _count(live, "status", "updatedReplicas"), _count(live, "status", "availableReplicas")
    progressing = condition(live, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return failed(str(progressing.get("message")), *_troubles(live, client))
    rolled_out = progressing.get("reason") == "NewReplicaSetAvailable" or desired == 0
    if rolled_out and updated >= desired and condition(live, "Available").get("status") == "True":
        return ready("rolled out and available")
    return _waiting(live, client, f"{min(updated, available)} of {desired} new replicas are available")


def stateful_set(live: Object, client: Reader) -> Verdict:
    """Check that all replicas are ready, and at the newest revision unless a partition holds them back."""
    if not _observed(live):
        return waiting("waiting for the controller")
    desired = _count(live, "spec", "replicas", default=1)
    ready_replicas = _count(live, "status", "readyReplicas")
    if ready_replicas < desired:
        return _waiting(live, client, f"{ready_replicas} of {desired} replicas are ready")
    strategy = dig(live, "spec", "updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return ready("all replicas are ready")
    expected = max(0, desired - _count(strategy, "rollingUpdate", "partition"))
    updated = _count(live, "status", "updatedReplicas")
    if dig(live, "status", "currentRevision") == dig(live, "status", "updateRevision"):
        updated = desired
    if updated < expected:
        return _waiting(live, client, f"{updated} of {expected} replicas are updated")
    return ready("all replicas are ready")


def daemon_set(live: Object, client: Reader) -> Verdict:
    """Check that every scheduled node runs the newest revision."""
    if not _observed(live):
        return waiting("waiting for the controller")
    if dig(live, "spec", "updateStrategy", "type") == "OnDelete":
        return ready("its pods are updated when they are deleted")
    desired = _count(live, "status", "desiredNumberScheduled")
    updated = _count(live, "status", "updatedNumberScheduled")
    available = _count(live, "status", "numberAvailable")
    if updated < desired or available < desired:
        return _waiting(live, client, f"{min(updated, available)} of {desired} new pods are available")
    return ready("available on all nodes")


def replicas(live: Object, client: Reader) -> Verdict:
    """Check that a ReplicaSet or ReplicationController has all its replicas."""
    desired, available = _count(live, "spec", "replicas", default=1), _count(live, "status", "availableReplicas")
    if not _observed(live) or available < desired:
        return _waiting(live, client, f"{available} of {desired} replicas are available")
    return ready("all replicas are available")


def job(live: Object, client: Reader) -> Verdict:
    """Check that a Job has completed. If it failed, include the end of its newest failed pod's log."""
    if dig(live, "spec", "suspend"):
        return ready("suspended")
    if condition(live, "Complete").get("status") == "True":
        return ready("completed")
    failure = condition(live, "Failed")
    if failure.get("status") == "True":
        return failed(
            f"the Job has failed: {failure.get('reason')}: {failure.get('message')}", *_failed_log(live, client)
        )
    running, succeeded = _count(live, "status", "active"), _count(live, "status", "succeeded")
    failures = _count(live, "status", "failed")
    message = f"{running} running, {succeeded} succeeded" + (f", {failures} failed" if failures else "")
    return _waiting(live, client, message)


def _failed_log(live: Object, client: Reader) -> list[str]:
    try:
        found = pods.of_selector(namespace(live), _labels(live), client)
    except PluginError:
        return []
    newest = next((each for each in found if dig(each, "status", "phase") == "Failed"), None)
    return pods.log_tail(newest, client) if newest else []


def _waiting(live: Object, client: Reader, message: str) -> Verdict:
    return waiting(message, *_troubles(live, client))


def _troubles(live: Object, client: Reader) -> list[str]:
    return pods.troubles(namespace(live), _labels(live), client)


def _labels(live: Object) -> dict[str, str]:
    if live.get("kind") == "Job":
        return {"batch.kubernetes.io/job-name": name(live)}
    selector = dig(live, "spec", "selector") or {}
    return selector.get("matchLabels") or {}


def _observed(live: Object) -> bool:
    return _count(live, "status", "observedGeneration") >= metadata(live).get("generation", 0)


def _count(thing: object, *path: str, default: int = 0) -> int:
    value = dig(thing, *path)
    return default if value is None else int(value)
