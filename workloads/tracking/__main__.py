"""Run MLflow's tracking server with the platform's additions."""

import argparse
import contextlib
import logging
import os
import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from mlflow.cli import cli as mlflow

from contracts import METRICS_FOLDER, METRICS_PATH, METRICS_PORT, TRACKING_APP, Env
from workloads import cli, logs
from workloads.cli import WorkloadError
from workloads.tracking.logs import UVICORN_CONFIG, Printed, set_up
from workloads.tracking.metrics import port

_STOP: Final = frozenset({signal.SIGTERM, signal.SIGINT})
# Bytes that a pipe holds, https://man7.org/linux/man-pages/man7/pipe.7.html.
_PIPE: Final = 65_536
_EPILOG: Final = f"""\
All other options are those of `mlflow server`. Prometheus gets the measurements without a login, at {METRICS_PATH} of a
port of their own.

environment:
  MLFLOW_...        as for `mlflow server`
  {Env.LOGS}        text, or json for one JSON object per line
  {Env.LOG_LEVEL}   the lowest level that is logged, INFO by default; DEBUG has the SQL statements and HTTP requests too

example:
  python -m workloads.tracking --workers 4 --backend-store-uri sqlite:///mlflow.db
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal.

    Raises:
        WorkloadError: The server ended by itself.
    """
    logs.is_server()
    parser = cli.parser("workloads.tracking", "Serve MLflow with the platform's additions.", _EPILOG)
    parser.add_argument("--uvicorn-opts", default="", help="options of uvicorn")
    parser.add_argument("--metrics-port", type=int, default=METRICS_PORT, help="port of the measurements")
    parser.add_argument("--metrics-folder", type=Path, default=Path(METRICS_FOLDER), help=argparse.SUPPRESS)
    arguments, options = parser.parse_known_args(argv)
    set_up()
    port.serve(arguments.metrics_folder, arguments.metrics_port)
    uvicorn = f"{arguments.uvicorn_opts} --log-config {shlex.quote(str(UVICORN_CONFIG))}"
    with _signals() as told:
        _mlflow(["server", "--app-name", TRACKING_APP, "--uvicorn-opts", uvicorn, *options])
        # MLflow ignores how uvicorn ended.
        if not told():
            raise WorkloadError("The server ended, and nobody told it to.")
    return 0


def _mlflow(arguments: Sequence[str]) -> None:
    """Run MLflow's command and log what it prints."""
    with contextlib.redirect_stdout(Printed(logging.INFO)), contextlib.redirect_stderr(Printed(logging.WARNING)):
        try:
            mlflow(arguments)
        except SystemExit as end:
            if end.code:
                raise


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Return a function that says whether this process was told to stop, whoever handled the signal: MLflow does."""
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def told() -> bool:
        # One byte for each signal, which is its number.
        with contextlib.suppress(BlockingIOError):
            return not _STOP.isdisjoint(os.read(reader, _PIPE))
        return False

    try:
        yield told
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


if __name__ == "__main__":
    cli.run(main)
