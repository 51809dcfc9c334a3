"""What a backup command does when it is told to stop: half-made things go, and what is nearly done is finished."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from contracts import Exit


def clean_up_when_told_to_stop() -> None:
    """Let SIGTERM, which ends a pod, unwind like an error: uploads are aborted and half-made databases dropped."""

    def stop(_number: int, _frame: object) -> NoReturn:
        # A second signal must not interrupt the unwinding.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(Exit.INTERRUPTED)

    signal.signal(signal.SIGTERM, stop)


@contextmanager
def put_off() -> Iterator[None]:
    """Finish what takes seconds and must be told as a whole: SIGTERM and Ctrl-C count for nothing meanwhile."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
