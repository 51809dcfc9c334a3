"""Compare alias moves on a tracking server with the gate and on the same server without it, in one run.

The benchmark checks this promise: the gate adds at most 5 ms to the median of a move, and nothing to other requests.
On the platform of `make up` it compares a guarded alias with one that isn't, of the same version on the same server.
"""

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import boto3
import requests
from mlflow import MlflowClient

from contracts import Env
from tests.platform.backup_servers import object_store
from tests.support.gated_server import ENTRY_POINTS, ROOT, Models, Version, put_in
from tests.support.local_signer import LocalSigner
from tests.support.registered import SignedModel
from workloads import cli
from workloads.mlflow_client import Tracking
from workloads.signing import transit

MOST_FOR_A_MOVE = 5.0
# Milliseconds: the noise of a median between two servers.
MOST_FOR_OTHERS = 1.0
_MOVE = "move an alias"
_GUARDED = "champion"
_UNGUARDED = "shadow"
_BUCKET = "artifacts"
# Seconds until the files are old enough to be sealed, and until a server has started.
_SETTLE, _START = 3, 180
_WARM_UP = 20
_EPILOG = f"""\
Starts both servers on 127.0.0.1, each with one worker, SQLite, and a folder or the platform's S3 server, and sends them
requests in turn. The files were read before: this measures the moves after the first. Exits with 1 if the gate adds
more than {MOST_FOR_A_MOVE} ms to the median of a move, or {MOST_FOR_OTHERS} ms to that of another request.

With `--store platform`, starts nothing, and moves a guarded alias and another one in turn on the platform of `make up`,
with its PostgreSQL and its S3 server. It needs the variables of `make env`.

examples:
  python -m benchmarks.bench_gate --requests 100 --store folder
  eval "$(make -s env)" && python -m benchmarks.bench_gate --requests 100 --store platform
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The times of one kind of request at one store, in milliseconds."""

    store: str
    request: str
    plain_median: float
    plain_p95: float
    gate_median: float
    gate_p95: float

    @property
    def added(self) -> float:
        """What the gate adds to the median."""
        return self.gate_median - self.plain_median


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two servers, with a signed version."""

    url: str
    version: Version
    session: requests.Session

    def move(self, alias: str = _GUARDED) -> float:
        """Move an alias, and return the milliseconds."""
        path = "api/2.0/mlflow/registered-models/alias"
        fields = {"name": self.version.name, "alias": alias, "version": self.version.number}
        return self._timed("POST", path, json=fields)

    def read(self) -> float:
        """Read the version, and return the milliseconds."""
        fields = {"name": self.version.name, "version": self.version.number}
        return self._timed("GET", "api/2.0/mlflow/model-versions/get", params=fields)

    def _timed(self, method: str, path: str, **options: object) -> float:
        started = time.perf_counter()
        answer = self.session.request(method, f"{self.url}/{path}", timeout=60, **options)  # type: ignore[arg-type] - passed on
        elapsed = time.perf_counter() - started
        answer.raise_for_status()
        return elapsed * 1000


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 1 if the gate costs too much."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench_gate",
        description="Compare alias moves with and without the gate.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--requests", type=int, default=300, help="requests of each kind (default: %(default)s)")
    parser.add_argument(
        "--store", choices=("folder", "s3", "both", "platform"), default="both", help="default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    stores = ("folder", "s3") if args.store == "both" else (args.store,)
    results = [result for store in stores for result in _measure(store, args.requests)]
    if args.json:
        print(json.dumps([asdict(result) for result in results]))
    else:
        _print(results)
    return 1 if any(result.added > _most(result) for result in results) else 0


def _measure(store: str, count: int) -> list[Result]:
    return [_on_the_platform(count)] if store == "platform" else _compare(store, count)


def _compare(store: str, count: int) -> list[Result]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-gate-")))
        environment = stack.enter_context(_s3()) if store == "s3" else {}
        plain = stack.enter_context(_server(folder / "plain", store, environment, guarded=False))
        gate = stack.enter_context(_server(folder / "gate", store, environment, guarded=True))
        time.sleep(_SETTLE)
        kinds: tuple[tuple[str, Callable[[Side], float]], ...] = ((_MOVE, Side.move), ("read", Side.read))
        return [_result(store, name, _in_turn(request, plain, gate, count)) for name, request in kinds]


def _on_the_platform(count: int) -> Result:
    tracking = Tracking(cli.require_env(Env.TRACKING_URI, "the address of MLflow, such as http://127.0.0.1:5000"))
    name = f"bench-gate-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory(prefix="bench-gate-") as folder:
        model = SignedModel(tracking=tracking, signer=LocalSigner(), folder=Path(folder), name=name)
        try:
            number = model.add(signer=transit.from_environment())
            time.sleep(_SETTLE)
            version = Version(name=name, number=number, run_id="", folder="")
            side = Side(url=tracking.uri, version=version, session=requests.Session())
            times = [(side.move(_UNGUARDED), side.move(_GUARDED)) for _ in range(_WARM_UP + count)][_WARM_UP:]
        finally:
            tracking.client.delete_registered_model(name)
            if experiment := tracking.client.get_experiment_by_name(name):
                tracking.client.delete_experiment(experiment.experiment_id)
    return _result("platform", _MOVE, times)


def _in_turn(request: Callable[[Side], float], plain: Side, gate: Side, count: int) -> list[tuple[float, float]]:
    return [(request(plain), request(gate)) for _ in range(_WARM_UP + count)][_WARM_UP:]


def _result(store: str, name: str, times: Sequence[tuple[float, float]]) -> Result:
    plain, gate = zip(*times, strict=True)
    return Result(
        store=store,
        request=name,
        plain_median=statistics.median(plain),
        plain_p95=statistics.quantiles(plain, n=20)[-1],
        gate_median=statistics.median(gate),
        gate_p95=statistics.quantiles(gate, n=20)[-1],
    )


@contextlib.contextmanager
def _server(folder: Path, store: str, environment: Mapping[str, str], *, guarded: bool) -> Iterator[Side]:
    folder.mkdir()
    signer = LocalSigner()
    (folder / "signing-keys.pem").write_bytes(signer.public_key().pem)
    destination = str(folder / "artifacts") if store == "folder" else f"s3://{_BUCKET}/{folder.name}"
    variables = {
        **environment,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ENTRY_POINTS}",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "only for this benchmark",
        Env.TRUSTED_KEYS: str(folder / "signing-keys.pem"),
        Env.GUARDED_ALIASES: _GUARDED if guarded else "",
        Env.GUARDED_STAGES: "",
    }
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", destination]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | variables, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process, folder / "server.log")
        put = put_in(folder / "artifacts") if store == "folder" else _put_in_bucket(folder.name, environment)
        yield Side(url=url, version=Models(MlflowClient(url, url), put).signed(signer), session=requests.Session())
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"mlflow server ended: {log.read_text()[-500:]}")
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{url}/health", timeout=5).ok:
                return
        time.sleep(0.5)
    raise RuntimeError(f"mlflow server did not start within {_START} s: {log.read_text()[-500:]}")


@contextlib.contextmanager
def _s3() -> Iterator[dict[str, str]]:
    with object_store() as environment:
        _client(environment).create_bucket(Bucket=_BUCKET)
        yield environment


def _client(environment: Mapping[str, str]):  # noqa: ANN202 - boto3 makes the class at run time
    return boto3.client(
        "s3",
        endpoint_url=environment[Env.S3_ENDPOINT],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )


def _put_in_bucket(prefix: str, environment: Mapping[str, str]) -> Callable[[str, bytes], object]:
    client = _client(environment)
    return lambda path, content: client.put_object(Bucket=_BUCKET, Key=f"{prefix}/{path}", Body=content)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _most(result: Result) -> float:
    return MOST_FOR_A_MOVE if result.request == _MOVE else MOST_FOR_OTHERS


def _print(results: Sequence[Result]) -> None:
    print(f"{'store':9}{'request':16}{'plain median':>14}{'p95':>8}{'gate median':>14}{'p95':>8}{'added':>8}  (ms)")
    for each in results:
        times = f"{each.plain_median:14.1f}{each.plain_p95:8.1f}{each.gate_median:14.1f}{each.gate_p95:8.1f}"
        print(f"{each.store:9}{each.request:16}{times}{each.added:8.1f}  at most {_most(each)}")


if __name__ == "__main__":
    cli.run(main)
