"""The command: its report, and one line and an exit code for each bad input."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from contracts import Exit
from tests.support.tracking_store import Experiment
from workloads import cli
from workloads.conversion import convert_to_onnx
from workloads.mlflow_client import Tracking

ROOT = Path(__file__).resolve().parents[3]


def exit_of(*argv: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.run(convert_to_onnx.main, argv)
    return int(stop.value.code or 0)


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the address that MLflow's client leaves in the environment variables."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(autouse=True)
def signals_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the signals of the test's process alone."""
    monkeypatch.setattr("workloads.backup.interruption.clean_up_when_told_to_stop", lambda: None)


def test_the_command_prints_its_report(
    exported_before: None, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "onnx"
    assert exit_of(str(model_dir), "--fp16", "--out", str(out), "--json") == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    assert printed["models"].keys() == {"fp32", "fp16"}
    assert printed["run_id"] is None
    assert exit_of(str(model_dir), "--fp16", "--out", str(out)) == Exit.OK
    said = capsys.readouterr()
    assert "360 samples of digits validation, opset 18 (an earlier conversion)" in said.out
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == ["pytorch", "fp32", "fp16"]
    assert said.err == ""


def test_a_limit_that_is_exceeded_has_its_own_exit_code(
    exported_before: None, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "onnx"
    assert exit_of(str(model_dir), "--out", str(out), "--max-difference", "0") == Exit.NOT_VERIFIED
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: The fp32 model differs from PyTorch by ")
    assert len(said.err.splitlines()) == 1
    assert not out.exists()


def test_samples_come_from_a_file(
    exported_before: None,
    model_dir: Path,
    pictures: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.save(tmp_path / "some.npy", pictures[:12])
    assert exit_of(str(model_dir), "--out", str(tmp_path / "o"), "--samples", str(tmp_path / "some.npy")) == Exit.OK
    assert "compared on 12 samples of some.npy" in capsys.readouterr().out


def changed(model_dir: Path, folder: Path, **fields: object) -> Path:
    """Copy a model, with other fields in its MLmodel file; None removes a field."""
    shutil.copytree(model_dir, folder)
    described = yaml.safe_load((folder / "MLmodel").read_text()) | fields
    content = {name: value for name, value in described.items() if value is not None}
    (folder / "MLmodel").write_text(yaml.safe_dump(content))
    return folder


COLUMNS = {"inputs": '[{"type": "double", "name": "a"}]', "outputs": None, "params": None}
OTHER_SHAPE = {
    "inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 5]}}]',
    "outputs": None,
    "params": None,
}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"flavors": {"sklearn": {}}},
            "has no pytorch flavor, the only one that can be converted: its flavors are sklearn",
        ),
        ({"flavors": None}, "has an MLmodel file that can't be read"),
        ({"signature": None}, "The model has no signature: log it with a signature or an input example"),
        ({"signature": COLUMNS}, "only a model with one tensor as its input can be converted"),
        ({"signature": OTHER_SHAPE}, "There are no samples of the model's input shape (5,)"),
    ],
)
def test_a_model_that_can_not_be_converted_is_one_line(
    model_dir: Path, tmp_path: Path, fields: dict[str, object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = changed(model_dir, tmp_path / "model", **fields)
    assert exit_of(str(folder), "--out", str(tmp_path / "out")) == Exit.USAGE
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert words in said[0]
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_model_are_one_line(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert exit_of(str(tmp_path / "empty"), "--out", str(tmp_path / "out")) == Exit.USAGE
    assert "empty is not an MLflow model: it has no MLmodel file" in capsys.readouterr().err
    broken = changed(model_dir, tmp_path / "broken")
    next(broken.rglob("*.pt2")).write_bytes(b"PK")
    assert exit_of(str(broken), "--out", str(tmp_path / "out")) == Exit.USAGE
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: The PyTorch model can't be loaded: ")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nothing", "--out", "o"], "SOURCE must be runs:/ID, a run's ID, models:/NAME/VERSION"),
        (["models:/m/Staging", "--out", "o"], "SOURCE must be"),
        (["models:/m/1", "--out", "o"], "models:/m/1 is in MLflow: set MLFLOW_TRACKING_URI or --tracking-uri"),
        (["."], "needs a destination: --out DIR, or an MLflow server"),
        ([".", "--out", "o", "--register", "m"], "--register needs an MLflow server"),
        ([".", "--tracking-uri", "sqlite:///x.db", "--sign"], "--sign signs versions: it needs --register NAME"),
        ([".", "--out", "o", "--opset", "9"], "--opset must be 16 to 24, got 9"),
        ([".", "--out", "o", "--int8-min-agreement", "2"], "int8: a minimum agreement must be 0 to 1, got 2.0"),
        ([".", "--out", "o", "--tracking-uri", "127.0.0.1:5000"], "--tracking-uri must be the address of MLflow"),
    ],
)
def test_a_bad_argument_is_one_line(
    argv: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_of(*argv) == Exit.USAGE
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert words in said[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("0" * 32, Exit.MLFLOW),
        ("models:/nothing/1", Exit.MLFLOW),
        ("models:/nothing@champion", Exit.MLFLOW),
        (f"models:/m-{'0' * 32}", Exit.MLFLOW),
        ("a run without a model", Exit.NO_RUN),
    ],
)
def test_a_source_that_mlflow_does_not_have_is_one_line(
    tracking: Tracking,
    experiment: Experiment,
    source: str,
    code: Exit,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    if source == "a run without a model":
        source = f"runs:/{experiment.run({})}"
    assert exit_of(source) == code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_help_needs_neither_pytorch_nor_mlflow() -> None:
    code = (
        "import sys, contextlib, workloads.conversion.convert_to_onnx as command\n"
        "with contextlib.suppress(SystemExit): command.main(['--help'])\n"
        "sys.exit(bool({'torch', 'onnx', 'mlflow', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True).returncode == 0
