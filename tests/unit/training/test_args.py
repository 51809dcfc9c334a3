"""The command line of the trainer, and its error messages."""

from pathlib import Path

import pytest

from contracts import Env, Exit
from workloads.cli import WorkloadError
from workloads.training.args import parse


def test_the_documented_command_is_enough() -> None:
    args = parse(["--out-dir", "out", "--max-epochs", "3"])
    assert (args.out_dir, args.max_epochs, args.dataset, args.zero_stage) == (Path("out"), 3, "digits", 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--max-epochs", "0"], ["--max-epochs must be at least 1, got 0."]),
        (["--batch-size", "1"], ["--batch-size must be at least 2, got 1."]),
        (["--lr", "0"], ["--lr must be above 0 and at most 1, got 0.0."]),
        (["--lr", "nan"], ["--lr must be above 0 and at most 1, got nan."]),
        (["--weight-decay", "-1"], ["--weight-decay must be between 0 and 1, got -1.0."]),
        (["--limit", "-5"], ["--limit must be at least 1, got -5."]),
        (["--keep-checkpoints", "0"], ["--keep-checkpoints must be at least 1, got 0."]),
        (["--dataset", "cifar10"], ["cifar10 needs --data-dir"]),
        (["--data-dir", "somewhere"], ["--data-dir is for --dataset cifar10"]),
    ],
)
def test_a_bad_value_is_named_with_the_allowed_range(options: list[str], words: list[str]) -> None:
    with pytest.raises(WorkloadError) as refusal:
        parse(["--out-dir", "out", *options])
    assert refusal.value.code == Exit.USAGE
    assert all(word in str(refusal.value) for word in words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--experiment-name", "team/digits"], "without slash, colon and quote"),
        (["--experiment-name", "it's"], 'got "it\'s_pytorch_model"'),
        (["--experiment-name", "e" * 242], "must be at most 255 bytes"),
        (["--experiment-name", "..e"], "start with '..'"),
        (["--experiment-name", "e", "--register", "e_model"], "--register e_model is the name of the PyFunc model"),
    ],
)
def test_a_name_that_models_cannot_have_is_refused_before_the_training(options: list[str], words: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        parse(["--out-dir", "out", "--tracking-uri", "mlruns", "--register-models", *options])
    assert refusal.value.code == Exit.USAGE
    assert words in str(refusal.value)


@pytest.mark.parametrize("options", [["--register", "digits"], ["--register-models"]])
def test_a_registration_needs_the_address_of_mlflow(options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(Env.TRACKING_URI, raising=False)
    with pytest.raises(WorkloadError, match=f"{options[0]} needs MLflow: set --tracking-uri or MLFLOW_TRACKING_URI"):
        parse(["--out-dir", "out", *options])
    monkeypatch.setenv(Env.TRACKING_URI, "file:./mlruns")
    assert parse(["--out-dir", "out", *options]).registered_names


def test_the_registered_names_follow_the_experiment() -> None:
    options = ["--out-dir", "out", "--tracking-uri", "mlruns", "--experiment-name", "e", "--register-models"]
    assert parse(options).registered_names == ("e_pytorch_model", "e_model")
    assert parse([*options, "--register", "own"]).pytorch_names == ("own", "e_pytorch_model")
    assert parse([*options, "--register", "e_pytorch_model"]).registered_names == ("e_pytorch_model", "e_model")


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.touch()
    with pytest.raises(WorkloadError, match=f"--out-dir must be a folder, or not exist yet; {file} is a file"):
        parse(["--out-dir", str(file)])


@pytest.mark.parametrize("options", [["--zero-stage", "4"], ["--dtype", "int8"], ["--max-epochs", "many"], ["--nope"]])
def test_refusals_of_the_parser_have_the_same_exit_code(options: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(["--out-dir", "out", *options])
    assert exit_.value.code == Exit.USAGE


def test_the_settings_include_the_defaults_of_the_data_set() -> None:
    settings = parse(["--out-dir", "out", "--dataset", "cifar10", "--data-dir", "d", "--lr", "0.5"]).as_dict()
    assert settings["batch_size"] == 128
    assert settings["lr"] == 0.5
    assert settings["data_dir"] == "d"
