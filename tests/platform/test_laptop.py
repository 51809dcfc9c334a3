"""The make targets of a laptop, in order: from the set-up to a served champion. They need nothing of the platform."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The commands in docs/models.md that run until they are stopped.
SERVE, START = "make serve-model", "make start-mlflow"
_SETTINGS = ("AEGIS_", "AWS_", "MAKE", "MLFLOW_", "VAULT_")
_PATIENCE_SECONDS = 180


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The variables of a user of a laptop, whose folder has a blank in its name."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    return clean | {
        "AEGIS_LAPTOP_FOLDER": str(tmp_path_factory.mktemp("laptop") / "my models"),
        "MLFLOW_PORT": str(free_port()),
        "AEGIS_SERVING_PORT": str(free_port()),
    }


def words(command: str, *options: str) -> list[str]:
    """Return the command with options of its program; the Python environment is not made again."""
    return [*command.split(), "--no-print-directory", "--old-file=.venv/.ready", f"ARGS={' '.join(options)}"]


def run(environment: Mapping[str, str], command: str, *options: str) -> str:
    done = subprocess.run(
        words(command, *options), cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def running(environment: Mapping[str, str], command: str, address: str) -> Iterator[None]:
    """Run a server until its address answers, and stop it afterwards as Ctrl-C does."""
    server = subprocess.Popen(words(command), cwd=ROOT, env=dict(environment), start_new_session=True)
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while ask(address) != 200:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(timeout=60)


def ask(address: str, body: object = None) -> int:
    """Return the status of the answer, or 0 if there is none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"content-type": "application/json"})  # noqa: S310 - of this test
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_a_model_goes_from_training_to_the_champion_that_is_served(environment: Mapping[str, str]) -> None:
    run(environment, "make setup-mlflow")
    run(environment, "make train-model", "--max-epochs", "2", "--limit", "600")
    assert "val/accuracy" in run(environment, "make compare-models")
    assert "champion of laptop_pytorch_model is version 1" in run(environment, "make promote-model")
    assert "FAILED" not in run(environment, "make doctor-client")
    address = f"http://127.0.0.1:{environment['AEGIS_SERVING_PORT']}"
    with running(environment, SERVE, f"{address}/ping"):
        assert ask(f"{address}/invocations", {"inputs": [[[[0.0] * 8] * 8]]}) == 200


def test_the_server_refuses_a_guarded_alias_to_an_unsigned_version(environment: Mapping[str, str]) -> None:
    address = f"http://127.0.0.1:{environment['MLFLOW_PORT']}"
    with running(environment, START, f"{address}/ready"):
        move = f"{address}/api/2.0/mlflow/registered-models/alias"
        assert ask(move, {"name": "laptop_model", "alias": "champion", "version": "1"}) == 403
        assert ask(move, {"name": "laptop_model", "alias": "mine", "version": "1"}) == 200
