"""The tracking server as its image runs it: a process that starts workers, and answers Prometheus on another port."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.gated_server import ENTRY_POINTS, ROOT
from tests.support.gateways import free_port, wait_for
from tests.support.tracking_store import copy_of_database

# Seconds for what a worker does within a second on an idle machine.
_PATIENCE = 60


@dataclass(frozen=True, kw_only=True)
class TrackingServer:
    """A running server; `folder` has the files of its workers' measurements."""

    url: str
    metrics_url: str
    folder: Path
    log: Path

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request on a connection of its own, so that any worker may get it."""
        with httpx.Client(timeout=60) as client:
            return client.request(method, f"{self.url}{path}", **options)

    def metrics(self) -> str:
        """Return what Prometheus gets."""
        return httpx.get(self.metrics_url, timeout=60).raise_for_status().text

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples `name` that have these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.metrics())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def workers(self) -> set[int]:
        """Return the IDs of the processes that have measured something."""
        return {int(file.stem.rpartition("_")[2]) for file in self.folder.glob("gauge_*.db")}

    def lines(self, logger: str = "") -> list[dict[str, Any]]:
        """Return the lines of a logger so far, or all lines."""
        # The last one may be incomplete.
        whole = self.log.read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if logger in ("", line["logger"])]


@contextlib.contextmanager
def tracking_server(folder: Path, *, workers: int, environment: Mapping[str, str]) -> Iterator[TrackingServer]:
    """Run the server with its data in `folder`."""
    port, metrics_port = free_port(), free_port()
    metrics, log = folder / "metrics", folder / "server.log"
    command = [sys.executable, "-m", "workloads.tracking", "--metrics-port", str(metrics_port)]
    command += ["--metrics-folder", str(metrics), "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    command += ["--backend-store-uri", copy_of_database(folder), "--artifacts-destination", str(folder / "artifacts")]
    variables = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ENTRY_POINTS))),
        **environment,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | variables, stdout=output, stderr=output)
    try:
        server = TrackingServer(
            url=f"http://127.0.0.1:{port}",
            metrics_url=f"http://127.0.0.1:{metrics_port}/metrics",
            folder=metrics,
            log=log,
        )
        wait_for(server.url, process, log)
        until(lambda: len(server.workers()) == workers)
        yield server
    finally:
        process.terminate()
        process.wait()


def until(holds: Any) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It doesn't.
    """
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)
