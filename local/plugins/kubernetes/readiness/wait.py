"""Polling of an object until it is ready, failed or gone, the timeout expires, or the user interrupts."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from local.plugins.kubernetes import objects
from local.plugins.kubernetes.client import ApiError, Object, UnreachableError
from local.plugins.kubernetes.readiness import custom, others, pods, workloads
from local.plugins.kubernetes.readiness.verdict import Check, Reader, Verdict, waiting
from local.plugins.provider import PluginError

# The official plugin's default for all kinds.
TIMEOUT_SECONDS: Final = 600.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0

_CHECKS: Final[Mapping[tuple[str, str], Check]] = {
    ("apps/v1", "DaemonSet"): workloads.daemon_set,
    ("apps/v1", "Deployment"): workloads.deployment,
    ("apps/v1", "StatefulSet"): workloads.stateful_set,
    ("batch/v1", "Job"): workloads.job,
    ("networking.k8s.io/v1", "Ingress"): others.ingress,
    ("v1", "PersistentVolume"): others.volume,
    ("v1", "PersistentVolumeClaim"): others.volume_claim,
    ("v1", "Pod"): pods.pod,
    ("v1", "ReplicationController"): workloads.replicas,
    ("v1", "ResourceQuota"): others.quota,
    ("v1", "Secret"): others.secret,
    ("v1", "Service"): others.service,
}


class NeverReadyError(PluginError):
    """An object failed or wasn't ready in time. `live` is its last known state, or None if it is gone."""

    def __init__(self, message: str, live: Object | None, details: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join((message, *details)))
        self.live = live
        self.details = details


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """The timeout of a wait, the event that ends it early, and the receiver of progress reports."""

    seconds: float
    interrupted: threading.Event
    report: Callable[[str], None]


def check_for(inputs: Object) -> Check | None:
    """Return the readiness check for an object with these inputs, or None if it is ready immediately."""
    if objects.annotated(inputs, objects.SKIP_AWAIT):
        return None
    if expression := objects.annotation(inputs, objects.WAIT_FOR):
        return custom.check(expression)
    return _CHECKS.get((inputs.get("apiVersion", ""), inputs.get("kind", "")))


def seconds(inputs: Object, timeout: float) -> float:
    """Return the timeout in seconds: the resource's custom timeout, its annotation, or the default."""
    if timeout:
        return timeout
    annotation = objects.annotation(inputs, objects.TIMEOUT_SECONDS)
    return float(annotation) if annotation.isdecimal() else TIMEOUT_SECONDS


def until_ready(client: Reader, path: str, live: Object, check: Check, patience: Patience) -> Object:
    """Wait until an object is ready, and return it.

    Raises:
        NeverReadyError: the object failed, was deleted, or wasn't ready in time.
    """
    kind, name = live.get("kind"), objects.name(live)
    last: Object | None = live
    verdict = waiting("just created")
    for _ in _polls(patience):
        last = _get(client, path, last)
        if last is None:
            message = f"{kind} {name} was deleted during the wait"
            raise NeverReadyError(message, None)
        verdict = _run(check, last, client)
        if verdict.ready:
            return last
        if verdict.failed:
            message = f"{kind} {name}: {verdict.message}"
            raise NeverReadyError(message, last, verdict.details)
        patience.report(f"{kind} {name}: {'; '.join((verdict.message, *verdict.details))}")
    message = f"{kind} {name}: {_end_reason(patience)}: {verdict.message}"
    raise NeverReadyError(message, last, verdict.details)


def until_gone(client: Reader, path: str, live: Object, patience: Patience) -> None:
    """Wait until an object is gone. A new object with the same name doesn't count.

    Raises:
        NeverReadyError: the object still exists.
    """
    kind, name, uid = live.get("kind"), objects.name(live), objects.metadata(live).get("uid")
    last: Object | None = live
    for _ in _polls(patience):
        last = _get(client, path, last)
        if last is None or (uid and objects.metadata(last).get("uid") != uid):
            return
        holders = ", ".join(objects.metadata(last).get("finalizers") or [])
        patience.report(f"{kind} {name}: being deleted" + (f", held by {holders}" if holders else ""))
    message = f"{kind} {name}: {_end_reason(patience)}: it's still being deleted"
    raise NeverReadyError(message, last, _remains(last))


def _remains(live: Object | None) -> tuple[str, ...]:
    conditions = objects.dig(live, "status", "conditions") or []
    return tuple(str(each.get("message")) for each in conditions if each.get("status") == "True")


def _polls(patience: Patience) -> Iterator[None]:
    """Yield immediately, then at increasing intervals until the timeout or an interruption."""
    end = time.monotonic() + patience.seconds
    pause = _FIRST_PAUSE
    yield
    while (left := end - time.monotonic()) > 0 and not patience.interrupted.wait(min(pause, left)):
        yield
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _end_reason(patience: Patience) -> str:
    return "interrupted" if patience.interrupted.is_set() else f"not done after {patience.seconds:.0f} s"


def _get(client: Reader, path: str, last: Object | None) -> Object | None:
    """Return the object, its last known state if the API server is briefly unreachable, or None if it's gone."""
    try:
        return client.get(path)
    except UnreachableError:
        return last
    except ApiError as error:
        if error.not_found:
            return None
        raise


def _run(check: Check, live: Object, client: Reader) -> Verdict:
    try:
        return check(live, client)
    except PluginError as error:
        # A failed read of a related object says nothing about this one.
        return waiting(str(error))
