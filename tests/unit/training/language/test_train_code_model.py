"""A fine-tuning with DeepSpeed on the CPU, from the configuration to MLflow."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
import yaml
from mlflow import MlflowClient, pyfunc, transformers
from mlflow.entities import Run

from contracts import Exit
from tests.support import tiny_language_model as tiny
from workloads.cli import WorkloadError
from workloads.serving.watching.baseline import BASELINE_FILE, Baseline
from workloads.training import environment, launch
from workloads.training.language import job, network
from workloads.training.language.config import Config, ModelSource, load
from workloads.training.stopping import Stop, StoppedError

ROOT = Path(__file__).resolve().parents[4]
EXAMPLES = ROOT / "workloads" / "training" / "examples"
# As docs/models.md says it.
DOCUMENTED = "python -m workloads.training.train_code_model workloads/training/examples/code_model.yaml"
TINY = {
    "model_type": "gpt2",
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 2,
    "n_positions": tiny.CONTEXT,
    "resid_pdrop": 0.1,
}


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "experiment": "lessons",
        "out_dir": str(folder / "out"),
        "tracking_uri": f"file:{folder}/mlruns",
        "model": {"init": TINY, "lora": {"rank": 4}},
        "data": {"train": str(EXAMPLES / "code_samples.jsonl")},
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "dtype": "fp32"},
        "examples": {"prompts": ["def add(a, b):\n"], "generation": {"max_new_tokens": 4}},
    }
    return {
        name: values.get(name, {}) | change if isinstance(change, dict) else change for name, change in changes.items()
    } | {name: value for name, value in values.items() if name not in changes}


def started(command: str, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *shlex.split(command)[1:]],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a training sets for its process."""
    before = dict(os.environ)
    # DeepSpeed can't join a second group in the life of a process.
    monkeypatch.setattr(launch, "leave", lambda: None)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module", autouse=True)
def one_group() -> Iterator[None]:
    yield
    launch.leave()


def train(values: dict[str, Any], stop: Stop | None = None) -> dict[str, Any]:
    result = job.run(Config.model_validate(values), environment.prepare("cpu"), stop or Stop())
    assert result is not None
    return result


def only_run(folder: Path) -> Run:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    client = MlflowClient(f"file:{folder}/mlruns")
    experiment = client.get_experiment_by_name("lessons")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def logged_losses(folder: Path, run: Run) -> list[float]:
    return [
        metric.value
        for metric in MlflowClient(f"file:{folder}/mlruns").get_metric_history(run.info.run_id, "step/loss")
    ]


def test_the_command_trains_logs_and_registers_both_models(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        yaml.safe_dump(settings(tmp_path, register_models=True, tracking_uri="${MLFLOW_TRACKING_URI:file:x}"))
    )
    uri = f"file:{tmp_path}/mlruns"
    process = started(f"{DOCUMENTED.rpartition(' ')[0]} {path} --json", MLFLOW_TRACKING_URI=uri)
    stdout, stderr = process.communicate(timeout=500)
    assert process.returncode == 0, stderr
    result = json.loads(stdout)
    run = only_run(tmp_path)
    client = MlflowClient(uri, uri)
    assert (run.info.status, run.info.run_id) == ("FINISHED", result["run_id"])
    assert result["val/loss"] < result["history"][0]["val/loss"]
    losses = logged_losses(tmp_path, run)
    assert len(losses) == result["steps"] == 6
    assert losses[-1] < losses[0]
    assert {"train/loss", "val/loss", "train/perplexity", "val/perplexity"} <= set(run.data.metrics)
    assert run.data.params["model.lora.rank"] == "4"
    assert run.data.params["dataset_sha256"] == result["dataset_sha256"]
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].dataset.name == "code_samples.jsonl"
    artifacts = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert {"examples.json", "generation_config.json", "metrics.json", "config.json"} <= artifacts
    assert result["registered_models"] == {"lessons_model": "1", "lessons_pytorch_model": "1"}
    (example,) = json.loads((tmp_path / "out" / "examples.json").read_text())["examples"]
    mlflow.set_tracking_uri(uri)
    served: Any = pyfunc.load_model("models:/lessons_model/1")
    assert served.predict(example["prompt"], {"max_new_tokens": 4})["text"].tolist() == [example["text"]]
    whole: Any = transformers.load_model("models:/lessons_pytorch_model/1", return_type="components")
    assert type(whole["model"]).__name__ == "GPT2LMHeadModel"
    pickles = [each for each in (tmp_path / "out" / "model").rglob("*") if each.suffix in (".pkl", ".bin", ".pt")]
    assert pickles == []
    for folder in ("model", "transformers"):
        baseline = Baseline.read(tmp_path / "out" / folder / BASELINE_FILE)
        assert [feature.name for feature in baseline.features] == [
            "prompt: length",
            "prompt: letters",
            "prompt: known",
        ]


def test_a_stopped_training_resumes_in_its_run_with_the_result_of_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    expected = train(settings(whole))
    stop = Stop()
    original = job.Checkpoints.save

    def save(*arguments: Any) -> None:
        original(*arguments)
        stop.requested = True

    with monkeypatch.context() as patch:
        patch.setattr(job.Checkpoints, "save", save)
        with pytest.raises(StoppedError, match=r"stopped after step 3 of 6.*; the same command resumes from there"):
            train(settings(halved), stop)
    assert only_run(halved).info.status == "KILLED"
    result = train(settings(halved))
    run = only_run(halved)
    assert (run.info.status, run.info.run_id) == ("FINISHED", result["run_id"])
    assert result["history"][1]["val/loss"] == expected["history"][1]["val/loss"]
    assert logged_losses(halved, run) == logged_losses(whole, only_run(whole))
    assert train(settings(halved)) == result
    with pytest.raises(WorkloadError, match=r"was trained with training\.learning_rate 0\.01, not 0\.1: use the same"):
        train(settings(halved, training={"learning_rate": 0.1}))


def test_a_failed_run_has_the_reason_until_it_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        loss = job.TextLoop.loss
        patch.setattr(job.TextLoop, "loss", lambda *arguments: loss(*arguments) * torch.nan)
        with pytest.raises(WorkloadError, match="the loss is nan at step 1: training has diverged"):
            train(settings(tmp_path))
    run = only_run(tmp_path)
    assert run.info.status == "FAILED"
    assert run.data.tags[job.FAILURE_TAG].startswith("the loss is nan at step 1: training has diverged")
    train(settings(tmp_path))
    assert job.FAILURE_TAG not in only_run(tmp_path).data.tags


def test_sigterm_stops_the_command_and_bad_input_ends_it_in_one_line(tmp_path: Path) -> None:
    variables = {"OUT_DIR": str(tmp_path / "out"), "MLFLOW_TRACKING_URI": f"file:{tmp_path}/mlruns", "EPOCHS": "100000"}
    process = started(DOCUMENTED, **variables)
    assert process.stderr is not None
    while not (line := process.stderr.readline()).startswith("epoch 1/"):
        assert line, "the command has ended"
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=500)
    assert process.returncode == Exit.INTERRUPTED
    assert stderr.splitlines()[-1].endswith("the same command resumes from there.")
    bad = started(DOCUMENTED, **variables, EXPERIMENT="a/b")
    stdout, stderr = bad.communicate(timeout=100)
    assert (bad.returncode, stdout, len(stderr.splitlines())) == (Exit.USAGE, "", 1)


def test_help_does_not_wait_for_the_libraries() -> None:
    before = time.process_time()
    script = (
        "import sys, contextlib\n"
        "from workloads.training import train_code_model\n"
        "with contextlib.suppress(SystemExit):\n    train_code_model.main(['--help'])\n"
        "assert not {'torch', 'transformers', 'mlflow', 'deepspeed', 'pydantic'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "CONFIG.yaml" in done.stdout
    assert time.process_time() - before < 5


def test_the_example_is_valid_and_its_samples_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = load(EXAMPLES / "code_model.yaml")
    assert config.tracking_uri == "file:./mlruns"
    assert config.data.train.is_file()
    assert network.make(config.model, 0).context == 128


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"init": {"model_type": "nope"}}, "model.init can't be used: Unrecognized model identifier: nope"),
        ({"init": TINY | {"n_layr": 2}}, "model.init.n_layr is not a setting of the model type gpt2"),
        ({"init": TINY | {"vocab_size": 2}}, "model.init.vocab_size is not a setting"),
        ({"init": TINY | {"n_embd": "x"}}, "model.init can't be used: "),
        ({"init": TINY, "lora": {"targets": ["nope"]}}, "model.lora can't be used: Target modules {'nope'} not found"),
        ({"base": "./nowhere"}, "there is no folder ./nowhere"),
        ({"base": "/a/b/c"}, "there is no folder /a/b/c"),
        ({"base": str(EXAMPLES)}, "contains no safetensors file"),
    ],
)
def test_a_model_that_can_not_be_made_is_refused_in_one_line(source: dict[str, Any], message: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        network.make(ModelSource.model_validate(source), 0)
    assert refusal.value.code == Exit.USAGE
    assert message in str(refusal.value)


def test_the_same_seed_makes_the_same_model() -> None:
    source = ModelSource.model_validate({"init": TINY, "lora": {"rank": 2}})
    first, second, other = (network.make(source, seed).model.state_dict() for seed in (1, 1, 2))
    assert all(first[name].equal(second[name]) for name in first)
    assert not all(first[name].equal(other[name]) for name in first)
    trainable = [name for name, each in network.make(source, 1).model.named_parameters() if each.requires_grad]
    assert trainable
    assert all("lora_" in name for name in trainable)
