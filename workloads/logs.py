"""Log lines of servers and jobs: text for people, or one JSON object per line for programs.

A line never contains a credential: what a request or a job tells about itself is of fixed fields, and the messages of
libraries are cleaned, see `messages.without_credentials`.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from contracts import Env, LogFormat
from workloads import messages

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# The loggers whose debug messages hold no credentials. botocore logs whole requests and answers: the text of a secret,
# keys of a role, tokens.
_DETAILED: Final = ("aegis", "workloads", "mlflow", "urllib3.connectionpool")
# These name the whole addresses of webhooks.
_CALLERS: Final = ("mlflow.webhooks", "urllib3")
# SQLAlchemy shows the values of statements at the level INFO.
_QUIET: Final = ("sqlalchemy", "alembic", "huey")
# MLflow gives these handlers of their own when it is imported.
_OF_MLFLOW: Final = ("mlflow", "alembic", "sqlalchemy.engine", "huey")
_MLFLOW_SWITCH: Final = "MLFLOW_CONFIGURE_LOGGING"
# The attribute of a log record with its fields, set by `extra=fields(...)`.
_FIELDS: Final = "fields"
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=str)


class BadSettingError(ValueError):
    """An environment variable of the logs has a value that is not allowed; the text names both."""


def check() -> None:
    """Check the environment variables of the logs.

    Raises:
        BadSettingError: One has a value that isn't allowed.
    """
    form, lowest = os.environ.get(Env.LOGS) or LogFormat.TEXT, os.environ.get(Env.LOG_LEVEL) or _LEVELS[0]
    if form not in tuple(LogFormat):
        raise BadSettingError(f"{Env.LOGS} must be one of {', '.join(LogFormat)}, got {form!r}.")
    if lowest.upper() not in _LEVELS:
        raise BadSettingError(f"{Env.LOG_LEVEL} must be one of {', '.join(_LEVELS)}, got {lowest!r}.")


def is_json() -> bool:
    """Return whether log lines are JSON."""
    return os.environ.get(Env.LOGS) == LogFormat.JSON


def level(default: str) -> str:
    """Return the name of the lowest level that is logged."""
    return (os.environ.get(Env.LOG_LEVEL) or default).upper()


def set_levels(lowest: str) -> None:
    """Log `lowest` and above of the loggers that show no credentials, and of all others INFO at the lowest."""
    found = logging.getLevelNamesMapping()[lowest]
    logging.getLogger().setLevel(max(found, logging.INFO))
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(found, logging.WARNING))
    for name in _DETAILED:
        logging.getLogger(name).setLevel(found)


def share_handler(*others: str) -> None:
    """Let the root logger's handler write the lines of MLflow and of `others`, in place of their own handlers."""
    if "mlflow" not in sys.modules:
        os.environ[_MLFLOW_SWITCH] = "false"
    for name in (*_OF_MLFLOW, *others):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def fields(**values: object) -> dict[str, Mapping[str, object]]:
    """Return the `extra` of a log call that adds fields to its line, without those that are None."""
    return {_FIELDS: {name: value for name, value in values.items() if value is not None}}


def formatter(text_form: str) -> logging.Formatter:
    """Return the formatter of all lines; `text_form` is the form of a text line, as `logging.Formatter` takes it."""
    return _JsonLines() if is_json() else _TextLines(text_form)


class _TextLines(logging.Formatter):
    """The message, and the fields as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        # Most lines are those of requests, which have only fields.
        if record.msg or record.exc_info:
            line = _cleaned(record, line)
        return " ".join([line.rstrip(), *(f"{name}={value}" for name, value in _fields(record).items())])


class _JsonLines(logging.Formatter):
    """One JSON object per line: time, level, logger, the message if there is one, the fields and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if message := record.getMessage():
            line["message"] = _cleaned(record, message)
        line |= _fields(record)
        if record.exc_info:
            line["exception"] = _cleaned(record, self.formatException(record.exc_info))
        return _ENCODER.encode(line)


def _cleaned(record: logging.LogRecord, text: str) -> str:
    text = messages.without_credentials(text)
    return messages.without_paths(text) if record.name.startswith(_CALLERS) else text


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    return getattr(record, _FIELDS, {})


class _Job:
    """What a job tells in its last line."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.about: dict[str, object] = {}
        self.serves = False


_job: Final = _Job()


def about_job(**values: object) -> None:
    """Add what a job has learned, such as the ID of its run, to the line that it logs when it ends."""
    _job.about |= values


def is_server() -> None:
    """Note that this process is no job: its end is a line only if it failed."""
    _job.serves = True


def job_ended(job: str, code: int, error: str = "", cause: Exception | None = None) -> None:
    """Log the one line of a job: its exit code and its seconds, and the reason of a failure with its traceback."""
    kind = "server" if _job.serves else "job"
    if _job.serves and not code:
        return
    logger = logging.getLogger(f"aegis.{kind}")
    # Whatever the level of the other lines.
    logger.setLevel(logging.INFO)
    logger.log(
        logging.ERROR if code else logging.INFO,
        "%s",
        error,
        exc_info=cause,
        extra=fields(**{kind: job}, status=code, seconds=round(time.monotonic() - _job.started, 3), **_job.about),
    )
