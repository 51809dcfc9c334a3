"""Compare MLflow through the gateway with MLflow called directly, in one run on this machine.

The benchmark checks this promise: the gateway reaches 0.9 times MLflow's throughput, adds at most 2 ms to the median,
logs the metrics of concurrent clients faster than MLflow alone, and passes 1 GB in both directions in constant memory.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from contracts import Env
from workloads import cli
from workloads.gateway.transport import Transport

LEAST_THROUGHPUT: Final = 0.9
# Milliseconds.
MOST_ADDED: Final = 2.0
# Bytes that the gateway's memory may grow while a file of any size passes.
MOST_GROWTH: Final = 64 << 20
_START: Final = 180
_WARM_UP: Final = 20
# Some requests take two of the 15 connections of MLflow's pool. So 15 clients or more can block one another for 30 s,
# on both sides, until some are refused.
_CLIENTS: Final = 12
_CHUNK: Final = 1 << 20
# Seconds without a byte.
_PATIENCE: Final = 120
_EPILOG: Final = f"""\
Starts a plain `mlflow server` on SQLite and a gateway, each with one worker, on 127.0.0.1. Both get the same requests
in turn, in several rounds; the median of the rounds' ratios counts. Exits with 1 if a throughput is below
{LEAST_THROUGHPUT} of MLflow's, a median is more than {MOST_ADDED} ms above it, metrics are not logged faster than by
MLflow alone, or the gateway's memory grows by more than {MOST_GROWTH >> 20} MiB. On a busy machine, only the ratios
say something.

example:
  python -m benchmarks.bench_gateway --rounds 3 --requests 100 --megabytes 64
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One kind of request: its medians alone (ms), throughputs of concurrent clients (answers/s), and refusals.

    MLflow on SQLite refuses some concurrent writes; they don't count as answers.
    """

    request: str
    direct_median: float
    gateway_median: float
    direct_throughput: float
    gateway_throughput: float
    ratio: float
    added: float
    direct_refused: int
    gateway_refused: int

    @property
    def passed(self) -> bool:
        """Whether the gateway keeps its promise. Logging metrics must be faster, because it is batched."""
        least = 1.0 if self.request == "log metrics" else LEAST_THROUGHPUT
        return self.ratio >= least and self.added <= MOST_ADDED and not self.gateway_refused


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """A file's way up and down: seconds on each side, and the growth of the gateway's memory in bytes."""

    megabytes: int
    direct_up: float
    gateway_up: float
    direct_down: float
    gateway_down: float
    growth: int

    @property
    def passed(self) -> bool:
        """Whether the gateway's memory stayed the same."""
        return self.growth <= MOST_GROWTH


@dataclass(frozen=True, kw_only=True, slots=True)
class Sides:
    """The two servers, and what the requests are about."""

    mlflow: str
    gateway: str
    gateway_pid: int
    http: httpx.AsyncClient
    experiment: str
    run: str

    async def send(self, method: str, url: str, body: Any = None) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
        """Send a request and return its answer."""
        answer = await self.http.request(method, url, json=body)
        answer.raise_for_status()
        return answer.json()


Step = Callable[[int], Awaitable[object]]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and return 1 if the gateway breaks its promise."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench_gateway",
        description="Compare MLflow through the gateway with MLflow called directly.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=200, help="requests of a kind and round (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=_CLIENTS, help="concurrent clients (default: %(default)s)")
    parser.add_argument("--megabytes", type=int, default=1024, help="size of the file (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    results, transfer = asyncio.run(_measure(arguments))
    if arguments.json:
        print(json.dumps({"requests": [asdict(each) for each in results], "transfer": asdict(transfer)}))
    else:
        _print(results, transfer)
    return 0 if all(each.passed for each in results) and transfer.passed else 1


async def _measure(arguments: argparse.Namespace) -> tuple[list[Result], Transfer]:
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as folder:
        async with _sides(Path(folder)) as sides:
            kinds = {
                "get run": (_get_run(sides), _get_run_through(sides), 1),
                # Two requests, because SQLite gives hardly any answers to clients that log parameters to one run.
                "create + params": (_create(sides), _create_through(sides), 2),
                "log metrics": (_log(sides), _log_through(sides), 1),
            }
            results = [await _compare(name, *kind, arguments) for name, kind in kinds.items()]
            return results, await _transfer(sides, Path(folder), arguments.megabytes)


async def _compare(name: str, direct: Step, through: Step, size: int, arguments: argparse.Namespace) -> Result:
    """Compare steps of `size` requests each."""
    await _alone(direct, _WARM_UP)
    await _alone(through, _WARM_UP)
    medians, throughputs, refused = [], [], [0, 0]
    for _ in range(arguments.rounds):
        medians.append(await _in_turn(direct, through, size, arguments.requests))
        pair = [await _together(step, arguments.requests, arguments.clients) for step in (direct, through)]
        throughputs.append((pair[0][0], pair[1][0]))
        refused = [refused[0] + pair[0][1], refused[1] + pair[1][1]]
    return Result(
        request=name,
        direct_median=statistics.median(one for one, _ in medians),
        gateway_median=statistics.median(two for _, two in medians),
        direct_throughput=statistics.median(one for one, _ in throughputs),
        gateway_throughput=statistics.median(two for _, two in throughputs),
        ratio=statistics.median(two / one for one, two in throughputs),
        added=statistics.median(two - one for one, two in medians),
        direct_refused=refused[0],
        gateway_refused=refused[1],
    )


async def _alone(step: Step, count: int) -> None:
    for number in range(count):
        await step(number)


async def _in_turn(direct: Step, through: Step, size: int, count: int) -> tuple[float, float]:
    """Return the median milliseconds of a request to both sides, whose steps alternate: both see the same noise."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(count):
        for side, step in enumerate((direct, through)):
            started = time.perf_counter()
            await step(number)
            times[side].append((time.perf_counter() - started) / size * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


async def _together(step: Step, count: int, clients: int) -> tuple[float, int]:
    """Return the answers per second that concurrent clients get, and the number of refusals."""
    refused = 0

    async def client(first: int) -> None:
        nonlocal refused
        for number in range(first, count, clients):
            try:
                await step(number)
            except httpx.HTTPStatusError:
                refused += 1

    started = time.perf_counter()
    await asyncio.gather(*(client(first) for first in range(clients)))
    return (count - refused) / (time.perf_counter() - started), refused


def _get_run(sides: Sides) -> Step:
    return lambda _: sides.send("GET", f"{sides.mlflow}/runs/get?run_id={sides.run}")


def _get_run_through(sides: Sides) -> Step:
    return lambda _: sides.send("GET", f"{sides.gateway}/runs/{sides.run}")


_PARAMS: Final = {"lr": "0.1", "optimizer": "adam", "layers": "3"}


def _create(sides: Sides) -> Step:
    async def step(_number: int) -> None:
        body = {"experiment_id": sides.experiment, "start_time": int(time.time() * 1000)}
        run = (await sides.send("POST", f"{sides.mlflow}/runs/create", body))["run"]["info"]["run_id"]
        params = [{"key": key, "value": value} for key, value in _PARAMS.items()]
        await sides.send("POST", f"{sides.mlflow}/runs/log-batch", {"run_id": run, "params": params})

    return step


def _create_through(sides: Sides) -> Step:
    async def step(_number: int) -> None:
        run = (await sides.send("POST", f"{sides.gateway}/experiments/{sides.experiment}/runs/start", {}))["run_id"]
        await sides.send("POST", f"{sides.gateway}/runs/{run}/log-params", {"params": _PARAMS})

    return step


def _log(sides: Sides) -> Step:
    async def step(number: int) -> None:
        metric = {"key": "direct", "value": number, "timestamp": time.time_ns() // 1000, "step": number}
        await sides.send("POST", f"{sides.mlflow}/runs/log-batch", {"run_id": sides.run, "metrics": [metric]})

    return step


def _log_through(sides: Sides) -> Step:
    async def step(number: int) -> None:
        metrics = {"metrics": {"gateway": number}, "step": number, "timestamp": time.time_ns() // 1000}
        await sides.send("POST", f"{sides.gateway}/runs/{sides.run}/log-metrics", metrics)

    return step


async def _transfer(sides: Sides, folder: Path, megabytes: int) -> Transfer:
    file = folder / "file"
    with file.open("wb") as content:
        for _ in range(megabytes):
            content.write(os.urandom(_CHUNK))
    store = f"{sides.mlflow.removesuffix('/api/2.0/mlflow')}/api/2.0/mlflow-artifacts/artifacts"
    direct = f"{store}/{sides.experiment}/{sides.run}/artifacts/direct"
    up, down = (
        f"{sides.gateway}/runs/{sides.run}/log-artifacts?path=big",
        f"{sides.gateway}/runs/{sides.run}/artifacts/big",
    )
    before = _peak(sides.gateway_pid)
    return Transfer(
        megabytes=megabytes,
        direct_up=await _upload(sides.http, "PUT", direct, file),
        gateway_up=await _upload(sides.http, "POST", up, file),
        direct_down=await _download(sides.http, direct),
        gateway_down=await _download(sides.http, down),
        growth=_peak(sides.gateway_pid) - before,
    )


async def _upload(http: httpx.AsyncClient, method: str, url: str, file: Path) -> float:
    async def chunks() -> AsyncIterator[bytes]:
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK):
                yield chunk

    started = time.perf_counter()
    (await http.request(method, url, content=chunks(), timeout=_PATIENCE)).raise_for_status()
    return time.perf_counter() - started


async def _download(http: httpx.AsyncClient, url: str) -> float:
    started = time.perf_counter()
    async with http.stream("GET", url, timeout=_PATIENCE) as answer:
        answer.raise_for_status()
        async for _ in answer.aiter_raw():
            pass
    return time.perf_counter() - started


def _peak(pid: int) -> int:
    """Return the peak of a process's memory in bytes (proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise RuntimeError(f"the process {pid} has no peak of memory")


@contextlib.asynccontextmanager
async def _sides(folder: Path) -> AsyncIterator[Sides]:
    with contextlib.ExitStack() as stack:
        plain = ["mlflow", "server", "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        plain += ["--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1"]
        mlflow, _ = stack.enter_context(_server(plain, folder / "mlflow.log", "/health", {}))
        gateway = ["workloads.gateway", "--host", "127.0.0.1"]
        environment = {
            Env.TRACKING_URI: mlflow,
            "AEGIS_GATEWAY_DEADLINE_SECONDS": "60",
            "AEGIS_GATEWAY_DRAIN_SECONDS": "0",
        }
        url, pid = stack.enter_context(_server(gateway, folder / "gateway.log", "/livez", environment))
        # The gateway's own transport, for both sides: httpx's would take more time than the gateway.
        async with httpx.AsyncClient(transport=Transport(connections=256, kept=2), timeout=_PATIENCE) as http:
            api = f"{mlflow}/api/2.0/mlflow"
            made = (await http.post(f"{api}/experiments/create", json={"name": "bench"})).json()["experiment_id"]
            run = (await http.post(f"{api}/runs/create", json={"experiment_id": made})).json()["run"]["info"]["run_id"]
            yield Sides(mlflow=api, gateway=f"{url}/api/mlflow", gateway_pid=pid, http=http, experiment=made, run=run)


@contextlib.contextmanager
def _server(command: Sequence[str], log: Path, path: str, environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with log.open("wb") as output:
        argv = [sys.executable, "-m", *command, "--port", str(port)]
        process = subprocess.Popen(argv, env=os.environ | environment, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(f"{url}{path}", process, log)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=5).is_success:
                return
        time.sleep(0.3)
    raise RuntimeError(f"{url} does not answer: {log.read_text()[-500:]}")


def _print(results: Sequence[Result], transfer: Transfer) -> None:
    print(f"{'':18}{'median (ms)':>24}{'added':>8}{'requests/s':>24}{'ratio':>8}")
    print(f"{'request':18}{'direct':>12}{'gateway':>12}{'':8}{'direct':>12}{'gateway':>12}")
    for each in results:
        medians = f"{each.direct_median:12.1f}{each.gateway_median:12.1f}{each.added:8.1f}"
        throughputs = f"{each.direct_throughput:12.1f}{each.gateway_throughput:12.1f}{each.ratio:8.2f}"
        refused = f"refused: {each.direct_refused} direct, {each.gateway_refused} by the gateway"
        print(f"{each.request:18}{medians}{throughputs}  {refused}{'' if each.passed else '  FAILED'}")
    print(
        f"{transfer.megabytes} MB up: {transfer.direct_up:.1f} s direct, {transfer.gateway_up:.1f} s by the gateway; "
        f"down: {transfer.direct_down:.1f} s, {transfer.gateway_down:.1f} s; "
        f"the gateway's memory grew by {transfer.growth >> 20} MiB{'' if transfer.passed else '  FAILED'}"
    )


if __name__ == "__main__":
    cli.run(main)
