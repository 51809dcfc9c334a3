"""Wait until the reconciler has done what a command asked for."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aegis.errors import NotVerifiedError
from contracts import Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.serving.kubernetes import Serving, UnreadableError

_POLL: Final = 0.5
# Seconds for which a state that may pass at once, such as MLflow's silence, is waited for.
_PATIENCE: Final = 20
# What isn't MLflow's silence, and is waited for until the time is over: a record, or a delivery that is tried again.
_PASSING: Final = ("record", "its delivery failed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What was asked for: `what` names it, and `since` tells whether a status is about it, or still from before."""

    model: str
    what: str
    since: Callable[[Mapping[str, Any]], bool]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how long the command waits."""
    parser.add_argument("--no-wait", action="store_true", help="don't wait until it is served")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=600, help="the most to wait")


def need_reconciler(serving: Serving, what: str) -> None:
    """Check that somebody does what was asked for.

    Raises:
        WorkloadError: No reconciler runs.
    """
    if serving.leader() is None:
        raise WorkloadError(
            f"{what} is asked for, but no reconciler runs in the namespace {serving.namespace}: it is served once one "
            "does. Is `serving.enabled` set in the stack's settings?"
        )


def show(line: str) -> None:
    """Print a line for people."""
    print(cli.messages.one_line(line), file=sys.stderr)


def wait(
    serving: Serving,
    asked: Asked,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Wait until the reconciler has done what was asked, show what it does, and return what it tells.

    Raises:
        NotVerifiedError: The version doesn't verify, even if it is served on.
        WorkloadError: It failed (`Exit.REFUSED`), MLflow doesn't have it (`Exit.MLFLOW`), or the time is over.
    """
    started, waiting_since, shown = clock(), None, ""
    while True:
        status = _told(serving, asked)
        state, reason = (
            (status["state"], status["reason"]) if status else ("waiting", "the reconciler hasn't looked yet")
        )
        now = clock()
        waiting_since = (waiting_since or now) if state == "waiting" and status else None
        if status and state == "serving" and status["served_version"] == status["wanted_version"]:
            if not status["verified"]:
                raise NotVerifiedError(f"{asked.what} does not verify: {reason}")
            return status
        if state == "refused":
            raise NotVerifiedError(f"{asked.what} is not served: {reason}")
        if state == "failed":
            raise WorkloadError(f"{asked.what} is not served: {reason}", Exit.REFUSED)
        passing = any(each in reason for each in _PASSING)
        if waiting_since is not None and now - waiting_since > _PATIENCE and not passing:
            raise WorkloadError(f"{asked.what} is not served yet: {reason}", Exit.MLFLOW)
        if now - started > seconds:
            raise WorkloadError(f"{asked.what} is not served after {seconds:g} s: {state}, {reason}")
        if (line := f"{state}: {reason}") != shown:
            show(line)
            shown = line
        sleep(_POLL)


def _told(serving: Serving, asked: Asked) -> dict[str, Any] | None:
    """Return what is told of the model since something was asked."""
    try:
        status = serving.status(asked.model)
    except UnreadableError:
        return None
    return status if status and status["model"] == asked.model and asked.since(status) else None
