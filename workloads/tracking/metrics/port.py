"""The port on which Prometheus gets the measurements."""

import logging
import os
import threading
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server

from contracts import Exit
from workloads.cli import WorkloadError, file_error
from workloads.tracking.metrics.workers import Workers

_logger: Final = logging.getLogger("aegis.metrics")
# prometheus_client writes into the folder that this variable names; without it, into the memory of each process.
_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
# Seconds between two looks for workers that have ended, also where nobody asks for the measurements.
_INTERVAL: Final = 10


def serve(folder: Path, port: int) -> None:
    """Answer on `port`, in threads, with the measurements of the processes that this one starts from now on.

    Raises:
        WorkloadError: The port is taken, or the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Those of a container that was restarted: its processes had the same IDs.
        for file in folder.glob("*.db"):
            file.unlink()
    except OSError as error:
        raise file_error(folder, "written", error) from error
    workers = Workers(folder)
    registry = CollectorRegistry()
    registry.register(workers)
    try:
        start_http_server(port, registry=registry)
    except OSError as error:
        reason = error.strerror or error
        raise WorkloadError(f"The port {port} of the measurements can't be opened: {reason}.", Exit.USAGE) from error
    threading.Thread(target=_settle, args=(workers,), daemon=True).start()
    os.environ[_FOLDER] = str(folder)


def _settle(workers: Workers) -> None:
    pause = threading.Event()
    while not pause.wait(_INTERVAL):
        try:
            workers.settle()
        except Exception:  # any error is logged, and the next look may succeed
            _logger.exception("The measurements of workers that have ended can't be added.")
