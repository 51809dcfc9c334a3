"""The server as a process: its start without a network, and its end without a lost request."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from contracts import Exit

ROOT = Path(__file__).resolve().parents[4]

# A model that waits as long as its input says, and can't open a connection to another machine.
_MODEL = """\
import socket, time


def _refuse(*args, **kwargs):
    raise OSError("a model's server has no network")


socket.getaddrinfo = _refuse


class Sleeper:
    def predict(self, data, params=None):
        time.sleep(float(data.to_numpy()[0, 0]))
        return data


def _load_pyfunc(path):
    return Sleeper()
"""


@dataclass(frozen=True, kw_only=True)
class Process:
    url: str
    process: subprocess.Popen[bytes]
    folder: Path

    def sleep(self, seconds: float) -> httpx.Response:
        return httpx.post(f"{self.url}/invocations", json={"dataframe_split": {"data": [[seconds]]}}, timeout=30)

    def ready(self) -> int:
        return httpx.get(f"{self.url}/v2/health/ready", timeout=30).status_code


def write_model(folder: Path, requirements: str = "mlflow\n") -> Path:
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: sleeper\n    code: code\n    python_version: 3.11.2\n"
    )
    (folder / "code" / "sleeper.py").write_text(_MODEL)
    (folder / "requirements.txt").write_text(requirements)
    return folder


def command(model: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "workloads.serving.server",
        str(model),
        "--name",
        "sleeper",
        "--version",
        "1",
        *options,
    ]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Process]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    model = write_model(tmp_path / "model")
    (tmp_path / "work").mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    with (tmp_path / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            command(model, "--port", str(port), "--host", "127.0.0.1", "--drain", "1"),
            cwd=tmp_path / "work",
            env=environment,
            stderr=stderr,
        )
    server = Process(url=f"http://127.0.0.1:{port}", process=process, folder=tmp_path)
    try:
        while True:
            assert process.poll() is None, (tmp_path / "stderr").read_text()
            try:
                server.ready()
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.wait()


def test_a_request_in_flight_finishes_after_sigterm_and_the_exit_code_is_0(started: Process) -> None:
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(started.sleep(2.5)))
    caller.start()
    while (
        'aegis_model_server_in_flight{model="sleeper",version="1"} 2.0' not in httpx.get(f"{started.url}/metrics").text
    ):
        time.sleep(0.01)
    started.process.send_signal(signal.SIGTERM)
    while started.ready() == 200:
        time.sleep(0.01)
    # Clients that don't know yet are answered while the server drains.
    assert started.sleep(0).status_code == 200
    caller.join()
    assert [answer.status_code for answer in answers] == [200]
    assert started.process.wait(20) == Exit.OK
    assert (started.folder / "stderr").read_text() == ""
    # Nothing is written beside the model or in the working directory.
    assert sorted(path.name for path in (started.folder / "model").rglob("*")) == [
        "MLmodel",
        "code",
        "requirements.txt",
        "sleeper.py",
    ]
    assert list((started.folder / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("requirements", "options", "code", "reason"),
    [
        ("mlflow==1.2\n", [], Exit.USAGE, "it needs mlflow==1.2, and"),
        ("", ["--predictions", "0"], Exit.USAGE, "must be a whole number from 1 to 65535, got '0'"),
    ],
)
def test_a_wrong_start_is_one_line(
    tmp_path: Path, requirements: str, options: list[str], code: Exit, reason: str
) -> None:
    model = write_model(tmp_path / "model", requirements)
    ended = subprocess.run(command(model, *options), cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert reason in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
