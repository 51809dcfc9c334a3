"""The command line of the trainer: what it takes, and how it says what it doesn't."""

from pathlib import Path

import pytest

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training.args import parse


def test_the_documented_command_is_enough() -> None:
    args = parse(["--out-dir", "out", "--max-epochs", "3"])
    assert (args.out_dir, args.max_epochs, args.dataset, args.zero_stage) == (Path("out"), 3, "digits", 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--max-epochs", "0"], ["--max-epochs is 0", "at least 1"]),
        (["--batch-size", "1"], ["--batch-size is 1", "at least 2"]),
        (["--lr", "0"], ["--lr is 0.0", "above 0"]),
        (["--lr", "nan"], ["--lr is nan", "above 0"]),
        (["--weight-decay", "-1"], ["--weight-decay is -1.0", "between 0 and 1"]),
        (["--limit", "-5"], ["--limit is -5", "at least 1"]),
        (["--keep-checkpoints", "0"], ["--keep-checkpoints is 0", "at least 1"]),
        (["--dataset", "cifar10"], ["cifar10 needs --data-dir"]),
        (["--data-dir", "somewhere"], ["--data-dir is for --dataset cifar10"]),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(options: list[str], words: list[str]) -> None:
    with pytest.raises(WorkloadError) as refusal:
        parse(["--out-dir", "out", *options])
    assert refusal.value.code == Exit.USAGE
    assert all(word in str(refusal.value) for word in words)


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.touch()
    with pytest.raises(WorkloadError, match="is a file"):
        parse(["--out-dir", str(file)])


@pytest.mark.parametrize("options", [["--zero-stage", "4"], ["--dtype", "int8"], ["--max-epochs", "many"], ["--nope"]])
def test_what_the_parser_itself_refuses_has_the_same_exit_code(options: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(["--out-dir", "out", *options])
    assert exit_.value.code == Exit.USAGE


def test_the_settings_have_the_defaults_of_the_data_set_filled_in() -> None:
    settings = parse(["--out-dir", "out", "--dataset", "cifar10", "--data-dir", "d", "--lr", "0.5"]).as_dict()
    assert settings["batch_size"] == 128
    assert settings["lr"] == 0.5
    assert settings["data_dir"] == "d"
