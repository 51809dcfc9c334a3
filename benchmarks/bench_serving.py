"""Compare our model server with `mlflow models serve`, with the same model and requests, in one run.

The benchmark checks this promise: verification, metrics, limits and a second protocol make predictions no slower.
"""

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from mlflow import pytorch
from mlflow.models import infer_signature
from torch import nn

from tests.support.gated_server import ROOT
from workloads import cli

_INPUTS, _SAMPLES = 64, 4
_START: Final = 180
_ROUNDS: Final = 6
_HEADERS: Final = {"Content-Type": "application/json"}
_EPILOG: Final = """\
Starts both servers on 127.0.0.1 with a small PyTorch model, and sends them requests in turn: by several connections,
for the throughput, and by one, for the median. Exits with 1 if the throughput of POST /invocations is lower than
MLflow's, or its median is higher. The Open Inference Protocol v2 is shown beside them.

example:
  python -m benchmarks.bench_serving --seconds 5
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The figures of one server and protocol: requests per second, and the median of one connection in ms."""

    name: str
    throughput: float
    median: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A path of a server, and the body that is posted to it."""

    name: str
    port: int
    path: str
    body: bytes

    def times(self, seconds: float) -> list[float]:
        """Post by one connection for some seconds, and return the time of each request in seconds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        times: list[float] = []
        end = time.perf_counter() + seconds
        while (started := time.perf_counter()) < end:
            connection.request("POST", self.path, self.body, _HEADERS)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != http.client.OK:
                raise RuntimeError(f"{self.name} answers {answer.status}: {content[:300]!r}")
            times.append(time.perf_counter() - started)
        connection.close()
        return times

    def throughput(self, connections: int, seconds: float) -> float:
        """Post by several connections for some seconds, and return the requests per second."""
        counts: list[int] = []
        callers = [threading.Thread(target=lambda: counts.append(len(self.times(seconds)))) for _ in range(connections)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        if len(counts) < connections:
            raise RuntimeError(f"{self.name} failed")
        return sum(counts) / seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 1 if our server is slower."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench_serving",
        description="Compare our model server with `mlflow models serve`.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=8, help="at the same time (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    plain, ours, protocol = _measure(args.connections, args.seconds)
    if args.json:
        print(json.dumps([asdict(result) for result in (plain, ours, protocol)]))
    else:
        _print((plain, ours, protocol))
    return 0 if ours.throughput >= plain.throughput and ours.median <= plain.median else 1


def _measure(connections: int, seconds: float) -> tuple[Result, Result, Result]:
    samples = np.random.default_rng(0).normal(size=(_SAMPLES, _INPUTS)).astype(np.float32)
    invocation = json.dumps({"inputs": samples.tolist()}).encode()
    tensor = {"name": "x", "datatype": "FP32", "shape": list(samples.shape), "data": samples.tolist()}
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as scratch, contextlib.ExitStack() as stack:
        model = _save(Path(scratch, "model"), samples)
        plain = stack.enter_context(_server(Path(scratch), "mlflow", ["mlflow", "models", "serve", "-m", str(model)]))
        ours = stack.enter_context(
            _server(Path(scratch), "ours", ["workloads.serving.server", str(model), "--name", "m", "--version", "1"])
        )
        targets = (
            Target(name="mlflow models serve", port=plain, path="/invocations", body=invocation),
            Target(name="ours", port=ours, path="/invocations", body=invocation),
            Target(
                name="ours, v2", port=ours, path="/v2/models/m/infer", body=json.dumps({"inputs": [tensor]}).encode()
            ),
        )
        for target in targets:
            target.throughput(connections, 1)
        # In turn, so that what else the machine does meets all of them.
        rounds = [[_round(target, connections, seconds) for target in targets] for _ in range(_ROUNDS)]
    first, second, third = (
        Result(
            name=target.name,
            throughput=statistics.median(throughput for throughput, _ in figures),
            median=statistics.median(median for _, median in figures),
        )
        for target, figures in zip(targets, zip(*rounds, strict=True), strict=True)
    )
    return first, second, third


def _round(target: Target, connections: int, seconds: float) -> tuple[float, float]:
    """Return the requests per second by several connections, and the median of one in ms."""
    return target.throughput(connections, seconds), statistics.median(target.times(seconds)) * 1000


def _save(folder: Path, samples: np.ndarray) -> Path:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(_INPUTS, 128), nn.ReLU(), nn.Linear(128, 10)).eval()
    with torch.no_grad():
        signature = infer_signature(samples, network(torch.from_numpy(samples)).numpy())
    pytorch.save_model(
        network,
        folder,
        signature=signature,
        input_example=samples,
        serialization_format="pt2",
        pip_requirements=["mlflow", "torch"],
    )
    return folder


@contextlib.contextmanager
def _server(folder: Path, name: str, command: Sequence[str]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", str(port)]
    options += ["--env-manager", "local"] if name == "mlflow" else []
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *options],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
            # `mlflow models serve` starts a shell with the server, and doesn't pass signals on.
            start_new_session=True,
        )
    try:
        _wait(port, process, log)
        yield port
    finally:
        # A server that ended by itself has no group any more.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()[-500:]}")
        with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as one:
            one.request("GET", "/ping")
            if one.getresponse().status == http.client.OK:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start within {_START} s: {log.read_text()[-500:]}")


def _print(results: Sequence[Result]) -> None:
    print(f"{'server':24}{'requests/s':>12}{'median ms':>12}")
    for result in results:
        print(f"{result.name:24}{result.throughput:12.0f}{result.median:12.2f}")


if __name__ == "__main__":
    cli.run(main)
