"""Handle the signals that end a backup command: clean up, or finish a short step first."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from contracts import Exit


def clean_up_when_told_to_stop() -> None:
    """Make SIGTERM, which ends a pod, unwind like an error, so that uploads are aborted and new databases dropped."""

    def stop(_number: int, _frame: object) -> NoReturn:
        # A second signal must not interrupt the cleanup.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(Exit.INTERRUPTED)

    signal.signal(signal.SIGTERM, stop)


@contextmanager
def put_off() -> Iterator[None]:
    """Ignore SIGTERM and Ctrl-C during a step that takes seconds and must be reported completely."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
