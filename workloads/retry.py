"""Limited retries of calls to other services: a dead service becomes one clear error, never a hang."""

import functools
import logging
from collections.abc import Callable
from typing import TypeVar

import tenacity

from contracts import Exit
from workloads.cli import WorkloadError

T = TypeVar("T")

ATTEMPTS = 5
# The waits are 1, 2, 4 and 8 s: long enough for the replacement of a pod.
LONGEST_WAIT_SECONDS = 8

_log = logging.getLogger(__name__)


def call(
    action: Callable[[], T],
    *,
    service: str,
    code: Exit,
    transient: tuple[type[BaseException], ...],
    attempts: int = ATTEMPTS,
) -> T:
    """Return the result of `action`, retried on `transient` errors for at most `attempts` calls.

    `service` names the other side in messages, such as "Vault at http://127.0.0.1:8200".

    Raises:
        WorkloadError: The last attempt failed; its exit code is `code`.
    """
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_exponential(max=LONGEST_WAIT_SECONDS),
        retry=tenacity.retry_if_exception_type(transient),
        before_sleep=functools.partial(_log_wait, service),
        reraise=True,
    )
    try:
        return retrying(action)
    except transient as error:
        raise WorkloadError(f"{service} does not answer after {attempts} attempts: {_reason(error)}", code) from error


def _log_wait(service: str, state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0
    _log.warning("%s does not answer (%s): next attempt in %.0f s", service, error and _reason(error), wait)


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
