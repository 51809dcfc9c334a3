"""Training, comparing, promoting and serving on a laptop."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from contracts import Exit
from laptop import compare, promote, releasing, serve, train
from tests.support.signed_version import Signed, signed_version
from tests.unit.laptop.conftest import exit_of
from workloads.serving.server import process, served
from workloads.training import train_deepspeed

Calls = list[list[str]]


def recorder(calls: Calls) -> Callable[[Sequence[str]], int]:
    def main(argv: Sequence[str]) -> int:
        calls.append(list(argv))
        return 0

    return main


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The calls of `python -m workloads.registry`."""
    calls: Calls = []
    module = ModuleType("workloads.registry.__main__")
    monkeypatch.setattr(module, "main", recorder(calls), raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


def test_each_training_has_its_own_folder_and_small_defaults(
    prepared_database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Calls = []
    monkeypatch.setattr(train_deepspeed, "main", recorder(calls))
    assert exit_of(train.main) == exit_of(train.main, "--lr", "0.02", "--max-epochs", "5") == Exit.OK
    first, second = calls
    defaults = ["--experiment-name", "laptop", "--max-epochs", "2", "--register-models"]
    assert first == ["--out-dir", str(folder / "trainings" / "0001"), *defaults]
    assert second == ["--out-dir", str(folder / "trainings" / "0002"), *defaults, "--lr", "0.02", "--max-epochs", "5"]
    assert exit_of(train.main, "--out-dir", folder / "trainings" / "0001", "--experiment-name", "other") == Exit.OK
    assert calls[-1][:4] == ["--out-dir", str(folder / "trainings" / "0001"), "--experiment-name", "other"]


def test_the_experiment_is_compared_unless_another_or_a_model_is_named(registry: Calls) -> None:
    for options in ([], ["--json", "--metric", "loss"], ["--model-name", "m"], ["--experiment-name=other"]):
        assert exit_of(compare.main, *options) == Exit.OK
    assert registry == [
        ["compare", "--experiment-name", "laptop"],
        ["compare", "--experiment-name", "laptop", "--json", "--metric", "loss"],
        ["compare", "--model-name", "m"],
        ["compare", "--experiment-name=other"],
    ]


def test_the_best_run_is_released_and_promoted(
    registry: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    orders: list[dict[str, Any]] = []

    def release(settings: object, **order: Any) -> SimpleNamespace:
        orders.append(order)
        return SimpleNamespace(model="laptop_pytorch_model", version="7", key="signing-key")

    monkeypatch.setattr(releasing, "release_best", release)
    policy = tmp_path / "strict.yaml"
    assert exit_of(promote.main, "--metric", "val/loss", "--minimize", "--policy", policy) == Exit.OK
    assert orders == [{"metric": "val/loss", "maximize": False}]
    assert registry == [["promote", "laptop_pytorch_model", "--policy", str(policy)]]


@pytest.fixture
def champion(tmp_path: Path) -> Iterator[Signed]:
    signed = signed_version(tmp_path)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # A shell starts what it puts into the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    keys = tmp_path / "signing-keys.pub"
    keys.write_bytes(signed.signer.public_key().pem)
    os.environ |= {
        "MLFLOW_TRACKING_URI": signed.client.tracking_uri,
        "AEGIS_TRUSTED_KEYS": str(keys),
        "AEGIS_MODEL_NAME": signed.name,
        "AEGIS_SERVING_PORT": "49321",
    }
    yield signed
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_champion_is_served_if_it_verifies(champion: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = []

    def serve_once(app: Any, state: object, **options: Any) -> None:
        assert (options["host"], options["port"]) == ("127.0.0.1", 49321)
        client = TestClient(app)
        assert client.get("/ping").status_code == 200
        answers.append(client.post("/invocations", json={"inputs": [[21, 1]]}).json())

    monkeypatch.setattr(process, "run", serve_once)
    assert exit_of(serve.main) == Exit.OK
    assert answers == [{"predictions": [[42, 2]]}]


def test_an_altered_champion_is_not_loaded(champion: Signed, capsys: pytest.CaptureFixture[str]) -> None:
    (champion.files / "data" / "weights of é.bin").write_bytes(bytes(256 * 40))
    assert exit_of(serve.main) == Exit.NOT_VERIFIED
    assert capsys.readouterr().err.endswith("data/weights of é.bin was changed after it was signed\n")
    assert not champion.marker.exists()


def test_a_missing_champion_is_one_line(champion: Signed, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(serve.main, "--model", f"models:/{champion.name}@challenger") == Exit.MLFLOW
    assert "challenger" in capsys.readouterr().err
    assert exit_of(serve.main, "--model", "digits") == Exit.USAGE


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, Exit.OK), (signal.SIGTERM, Exit.INTERRUPTED)])
def test_a_signal_leaves_no_files(
    champion: Signed, number: signal.Signals, code: Exit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that comes before the server handles signals, while the model is loaded."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setattr(served, "load", lambda _: signal.raise_signal(number))
    assert exit_of(serve.main) == code
    assert list(scratch.iterdir()) == []
