"""Arbitrary arguments, files in the output folder and answers of MLflow: one line and a specific exit code."""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import Exit
from tests.support import fuzz
from tests.support.fake_mlflow import ANSWERS, API, FakeMlflow, fake_mlflow
from workloads import retry
from workloads.cli import WorkloadError
from workloads.training import args, environment, files
from workloads.training.args import TrainingArgs
from workloads.training.checkpoints import Checkpoints, Setup
from workloads.training.data import cifar10
from workloads.training.processes import Processes
from workloads.training.progress import EpochResult, Position
from workloads.training.run_log import MlflowRun, RunFacts

QUICK = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
OPTIONS = ["--out-dir", "--max-epochs", "--lr", "--seed", "--tracking-uri", "--register", "--data-dir", "--json"]
REQUESTS = [f"{API}/{name}" for name in ("runs/update", "runs/get", "runs/log-batch", "runs/log-inputs")]
RESULT = EpochResult(epoch=1, train_loss=0.5, val_loss=0.4, val_accuracy=0.9, samples_per_second=100.0)
METRIC = {"key": "loss", "value": 1.0, "timestamp": 5, "step": 7}


def parsed(argv: Sequence[str] | None) -> int:
    args.parse(argv)
    return Exit.OK


@contextlib.contextmanager
def out_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@QUICK
@given(argv=st.lists(st.one_of(fuzz.os_text, st.integers().map(str), st.sampled_from(OPTIONS))))
def test_no_argument_gives_a_traceback(argv: Sequence[str]) -> None:
    fuzz.run_command(parsed, argv)


@QUICK
@given(
    option=st.sampled_from(OPTIONS[1:-1]), value=st.one_of(fuzz.os_text, st.integers().map(str), st.floats().map(str))
)
def test_no_value_of_an_argument_gives_a_traceback(option: str, value: str) -> None:
    with out_dir() as folder:
        fuzz.run_command(parsed, [f"--out-dir={folder}", f"{option}={value}"])


@QUICK
@given(name=fuzz.os_text)
def test_no_folder_gives_a_traceback(name: str) -> None:
    with out_dir() as folder, contextlib.suppress(WorkloadError):
        files.claim_folder(folder / "out" / name.replace("..", "").lstrip("/~")).close()
    with out_dir() as folder, pytest.raises(WorkloadError):
        cifar10.load(folder / "data" / name.replace("..", "").lstrip("/~"))


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT"])
@pytest.mark.parametrize("value", ["", "one", "-1", "1.5", "٣x"])
def test_an_invalid_rank_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(WorkloadError, match=f"{name} must be a number, as torchrun sets it, got {value!r}") as refusal:
        environment.prepare("cpu")
    assert refusal.value.code == Exit.USAGE


class Engine:
    def save_checkpoint(self, save_dir: str, tag: str, **_: Any) -> None:
        (Path(save_dir) / tag).mkdir()
        (Path(save_dir) / tag / "weights.pt").write_bytes(b"weights")


@QUICK
@given(data=st.data())
def test_no_state_of_a_checkpoint_gives_a_traceback(data: st.DataObject) -> None:
    with out_dir() as folder:
        checkpoints = Checkpoints(
            folder=folder / "checkpoints",
            keep=2,
            processes=Processes(rank=0, world_size=1, device=torch.device("cpu")),
            setup=Setup.of(TrainingArgs(out_dir=folder), "d1" * 32, 1),
        )
        checkpoints.prepare()
        checkpoints.save(cast("Any", Engine()), Position(step=7, loss_sum=1.25, results=(RESULT,)), [METRIC])
        state = checkpoints.folder / "step-000000007" / "state.json"
        good = json.loads(state.read_text())
        place = data.draw(st.sampled_from(list(fuzz.paths(good))))
        value = data.draw(st.one_of(fuzz.json_values, st.just(fuzz.LEFT_OUT)))
        document = json.dumps(fuzz.replaced(good, place, value)).encode()
        state.write_bytes(data.draw(st.one_of(st.just(document), fuzz.json_text, fuzz.damaged(document))))
        # Different settings belong to another training, which is refused.
        with contextlib.suppress(WorkloadError):
            saved = checkpoints.newest()
            assert saved is None or isinstance(saved.position.step, int)


@pytest.fixture(scope="module")
def mlflow() -> Iterator[FakeMlflow]:
    with pytest.MonkeyPatch.context() as patch, fake_mlflow() as server:
        patch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
        yield server


def opened(mlflow: FakeMlflow, folder: Path, run_file: bytes) -> MlflowRun:
    (folder / "run.json").write_bytes(run_file)
    facts = RunFacts(
        command="trainer",
        tracking_option="--tracking-uri",
        out_dir=folder,
        experiment_name="e",
        run_name=None,
        parameters={"lr": 0.1},
        config={},
        git_commit=None,
        data_name="digits",
        data_digest="d1" * 32,
        data_source="--dataset digits",
    )
    return MlflowRun(uri=mlflow.address, facts=facts)


@pytest.mark.parametrize("content", [b'{"run_id": "r1"}', b"", b"[]", b"{}", b'{"run_id": 1}', b"\xff", b"[" * 9999])
def test_a_damaged_run_file_is_named(mlflow: FakeMlflow, content: bytes) -> None:
    mlflow.reset()
    with out_dir() as folder:
        if b"r1" in content:
            assert opened(mlflow, folder, content).run_id == "r1"
            return
        with pytest.raises(WorkloadError, match=r"run\.json is damaged") as refusal:
            opened(mlflow, folder, content)
        assert refusal.value.code == Exit.USAGE
        assert (folder / "run.json").read_bytes() == content


@QUICK
@given(data=st.data())
def test_no_answer_of_mlflow_gives_a_traceback(mlflow: FakeMlflow, data: st.DataObject) -> None:
    mlflow.reset()
    path = data.draw(st.sampled_from(REQUESTS))
    place = data.draw(st.sampled_from(list(fuzz.paths(ANSWERS[path])) or [()]))
    document = json.dumps(fuzz.replaced(ANSWERS[path], place, data.draw(fuzz.json_values))).encode()
    body = data.draw(st.one_of(st.just(document), fuzz.json_text, fuzz.damaged(document)))
    mlflow.bad[path] = (data.draw(st.sampled_from([200, 400, 403, 404, 500])), body)
    with out_dir() as folder, contextlib.suppress(WorkloadError):
        opened(mlflow, folder, b'{"run_id": "r1"}')


def test_a_password_in_the_address_is_not_logged_as_a_parameter() -> None:
    parameters = args.parse(["--out-dir", "out", "--tracking-uri", "http://user:s3cr3t@mlflow:5000"]).as_dict()
    assert "s3cr3t" not in str(parameters)
    assert "mlflow:5000" in str(parameters)
