"""The tracking server's log: one line for each request, and those of MLflow and uvicorn in the same form.

At the level DEBUG, it also has each SQL statement without its parameters (metrics/database.py), and each HTTP request
that MLflow sends, without its query's signature.
"""

import contextlib
import io
import logging
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from workloads import logs
from workloads.tracking.exchange import Exchange

# The configuration with which uvicorn starts each of its processes, before they import MLflow.
UVICORN_CONFIG: Final = Path(__file__).with_name("uvicorn_logs.json")

_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_DEFAULT: Final = "INFO"
# uvicorn gives these handlers of their own.
_OF_UVICORN: Final = ("uvicorn", "uvicorn.error", "uvicorn.access")
_requests: Final = logging.getLogger("aegis.request")
_printed: Final = logging.getLogger("mlflow.cli")
_logging: Final = ContextVar("logging", default=False)


class RequestLog:
    """Logs each request when it has ended."""

    def begin(self) -> None:
        """Do nothing at the beginning of a request."""

    def end(self, exchange: Exchange) -> None:
        """Log one line."""
        _requests.info(
            "",
            extra=logs.fields(
                method=exchange.method,
                route=exchange.route,
                status=exchange.status,
                seconds=round(exchange.seconds, 4),
                run_id=exchange.run_id,
                received=exchange.received,
                sent=exchange.sent,
                client=exchange.client,
            ),
        )


class Printed(io.TextIOBase):
    """A text stream whose lines are logged: what MLflow's command prints at its start.

    What is printed while a line is logged goes to the real stderr: logging prints there that it failed.
    """

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def write(self, text: str) -> int:
        """Log the lines that aren't empty."""
        # With bytes this is a TypeError, by which click recognises a stream of text.
        lines = list(filter(str.strip, text.split("\n")))
        if _logging.get():
            _complain(text)
            return len(text)
        inside = _logging.set(True)
        try:
            for line in lines:
                _printed.log(self._level, "%s", line)
        finally:
            _logging.reset(inside)
        return len(text)


def _complain(text: str) -> None:
    # Python has no stderr in a process without one, and it may be what fails.
    with contextlib.suppress(OSError, ValueError):
        if sys.__stderr__ is not None:
            sys.__stderr__.write(text)


def handler() -> logging.Handler:
    """Return the handler of all lines, and log Python's warnings too; `uvicorn_logs.json` names this function."""
    logging.captureWarnings(capture=True)
    made = logging.StreamHandler()
    made.setFormatter(logs.formatter(_TEXT))
    return made


def set_up() -> None:
    """Send the lines of all libraries to one handler, with the level that the environment sets.

    MLflow must have been imported: it sets up its loggers then.
    """
    logging.getLogger().handlers[:] = [handler()]
    logs.share_handler(*_OF_UVICORN)
    logs.set_levels(logs.level(_DEFAULT))
    # Its line of a request has the whole address.
    logging.getLogger("uvicorn.access").propagate = False
