"""The server of the figures: one small process that starts another for a moment when figures are due.

So the memory that the clients of the database and of the object store take is given back, and a source that hangs
blocks nothing. Between two readings the last figures stay, with the time of their reading.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contracts import EXPORTER_PORT, Env, Exit
from workloads import cli
from workloads.monitoring.parts import PARTS
from workloads.monitoring.samples import Sample, families

EPILOG = f"""It reads only, and only what its environment names:
  PGHOST, PGUSER, PGPASSWORD, PGDATABASE and other variables of libpq  MLflow's database
  {Env.VAULT_ADDR}  address of Vault
  {Env.EXPORTER_BUCKETS}  JSON list of {{"name", "bucket", "prefix"}}, with access_key and secret_key on an S3 server
  {Env.EXPORTER_CERTIFICATES}  hosts whose certificates are watched, with commas
  {Env.TRUSTED_KEYS}  the public keys that may sign models
"""
# Seconds: the listing of a large bucket takes minutes.
_LONGEST_READING: Final = 900
_LAST_SUCCESS: Final = "aegis_exporter_last_success_timestamp_seconds"

Run = Callable[[Sequence[str]], list[dict[str, Any]]]


class Readings(Collector):
    """The last figures of each part. Until the first success, the part's time is the start of the exporter."""

    def __init__(self, parts: Sequence[str], started: float) -> None:
        self._lock = threading.Lock()
        self._samples: dict[str, list[Sample]] = {}
        self._successes = dict.fromkeys(parts, started)

    def take(self, part: str, samples: list[Sample], at: float) -> None:
        """Replace the figures of a part by those that were read `at` a Unix time."""
        with self._lock:
            self._samples[part] = samples
            self._successes[part] = at

    def collect(self) -> Iterator[Metric]:
        """Yield all figures."""
        with self._lock:
            samples = [sample for of_part in self._samples.values() for sample in of_part]
            successes = dict(self._successes)
        yield from families(samples)
        family = GaugeMetricFamily(_LAST_SUCCESS, "When a part was last read, in Unix time", labels=("part",))
        for part, at in successes.items():
            family.add_metric((part,), at)
        yield family


class Schedule:
    """Reads each part when it is due; parts that are due together share a process."""

    def __init__(self, parts: Sequence[str], readings: Readings, run: Run) -> None:
        self._due = dict.fromkeys(parts, 0.0)
        self._readings = readings
        self._run = run

    def step(self, clock: float) -> float:
        """Read what is due at `clock`, in seconds, and return the seconds until something is due again."""
        due = [part for part, at in self._due.items() if at <= clock]
        for part in due:
            self._due[part] = clock + PARTS[part].period
        for line in self._run(due) if due else ():
            if "error" in line:
                print(f"{line['part']}: {line['error']}", file=sys.stderr, flush=True)
            else:
                self._readings.take(line["part"], [Sample.from_json(each) for each in line["samples"]], time.time())
        return max(1.0, min(self._due.values()) - clock)


def in_process(parts: Sequence[str]) -> list[dict[str, Any]]:
    """Read the parts in another process, and return what it prints; a part that it doesn't get to has an error."""
    command = [sys.executable, "-m", "workloads.monitoring.collect", *parts]
    try:
        output = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=_LONGEST_READING, check=False
        ).stdout
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode() if isinstance(error.stdout, bytes) else error.stdout or ""
    lines = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
    told = {line["part"] for line in lines}
    return [*lines, *({"part": part, "error": "it wasn't read in time"} for part in parts if part not in told)]


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal."""
    parser = cli.parser("workloads.monitoring.exporter", "Serve figures for Prometheus.", EPILOG)
    parser.add_argument("--port", type=int, default=EXPORTER_PORT, help="port of HTTP")
    arguments = parser.parse_args(argv)
    parts = [name for name, part in PARTS.items() if os.environ.get(part.needs)]
    if not parts:
        needed = ", ".join(dict.fromkeys(part.needs for part in PARTS.values()))
        raise cli.WorkloadError(f"There is nothing to read: set one of {needed}.", Exit.USAGE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    readings = Readings(parts, time.time())
    registry = CollectorRegistry()
    registry.register(readings)
    start_http_server(arguments.port, registry=registry)
    schedule = Schedule(parts, readings, in_process)
    try:
        while True:
            time.sleep(schedule.step(time.monotonic()))
    except KeyboardInterrupt:
        return Exit.OK


if __name__ == "__main__":
    cli.run(main)
