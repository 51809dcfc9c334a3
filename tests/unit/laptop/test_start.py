"""Setting up and starting MLflow on a laptop."""

import fcntl
import os
import socket
import stat
from pathlib import Path

import mlflow
import pytest

from contracts import Exit
from laptop import start
from tests.support.local_signer import LocalSigner
from tests.unit.laptop.conftest import exit_of


class BecameError(Exception):
    """The process would have become another program."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines of programs that a command became."""
    programs: list[list[str]] = []

    def become(_: str, command: list[str], environment: dict[str, str]) -> None:
        programs.append(command)
        assert "workloads/images/code" in environment["PYTHONPATH"]
        raise BecameError

    monkeypatch.setattr(os, "execve", become)
    return programs


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_set_up_makes_what_is_missing_and_replaces_nothing(prepared_database: Path, folder: Path) -> None:
    key = folder / "keys" / "signing-key.pem"
    assert exit_of(start.main, "--setup-only") == Exit.OK
    content = key.read_bytes()
    assert exit_of(start.main, "--setup-only") == Exit.OK
    assert key.read_bytes() == content
    assert (mode(key), mode(key.parent)) == (0o600, 0o700)
    experiment = mlflow.MlflowClient(f"sqlite:///{prepared_database}").get_experiment_by_name("laptop")
    assert experiment is not None
    assert experiment.artifact_location.startswith(f"file://{folder}/artifacts/".replace(" ", "%20"))


def test_another_trusted_key_is_kept_and_refused(prepared_database: Path, folder: Path, capsys) -> None:  # noqa: ANN001
    keys = folder / "keys" / "signing-keys.pub"
    keys.parent.mkdir()
    keys.write_bytes(LocalSigner().public_key().pem)
    content = keys.read_bytes()
    assert exit_of(start.main, "--setup-only") == Exit.USAGE
    assert f"{keys} lacks the public key of" in capsys.readouterr().err
    assert keys.read_bytes() == content


def test_a_file_that_is_no_database_is_refused_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    (folder / "mlflow.db").write_text("my diary, which nothing must overwrite")
    assert exit_of(start.main, "--setup-only") == Exit.USAGE
    assert capsys.readouterr().err == f"error: {folder}/mlflow.db is not an SQLite database.\n"


def test_a_file_in_place_of_the_folder_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.write_text("")
    assert exit_of(start.main, "--setup-only") == Exit.USAGE
    assert capsys.readouterr().err == f"error: {folder} cannot be made: File exists\n"


def test_the_environment_of_a_server_is_not_set_up_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(start.main, "--env", "prod") == Exit.USAGE
    assert "MLFLOW_TRACKING_URI must be an SQLite file" in capsys.readouterr().err


def test_the_server_gets_the_database_the_folder_and_the_port(
    prepared_database: Path, folder: Path, became: list[list[str]]
) -> None:
    os.environ["MLFLOW_PORT"] = str(free_port())
    with pytest.raises(BecameError):
        start.main([])
    (command,) = became
    assert command[command.index("--port") + 1] == os.environ["MLFLOW_PORT"]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--backend-store-uri") + 1] == f"sqlite:///{folder}/mlflow.db"


def test_a_port_that_is_taken_is_named(
    prepared_database: Path, became: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        os.environ["MLFLOW_PORT"] = str(port)
        assert exit_of(start.main) == Exit.USAGE
    said = f"error: Port {port} of 127.0.0.1 can't be used (Address already in use): set MLFLOW_PORT to a free port."
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert became == []


def test_a_second_server_on_the_same_folder_is_refused(
    prepared_database: Path, folder: Path, became: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "server.lock").open("w") as lock:
        lock.write("4242")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert exit_of(start.main) == Exit.USAGE
    said = f"error: MLflow already runs on {folder} (process 4242)."
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert became == []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
