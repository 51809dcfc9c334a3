"""Checkpoints: complete or ignored, a fixed number kept, and resumed only by the training that they belong to."""

from pathlib import Path
from typing import Any

import pytest
import torch

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training.args import TrainingArgs
from workloads.training.checkpoints import Checkpoints, Setup
from workloads.training.processes import Processes
from workloads.training.progress import EpochResult, Position

RESULT = EpochResult(epoch=1, train_loss=0.5, val_loss=0.4, val_accuracy=0.9, samples_per_second=100.0)


class Engine:
    """Writes its part of a checkpoint as DeepSpeed does, or is killed while writing."""

    def __init__(self, *, killed: bool = False) -> None:
        self.killed = killed
        self.loaded: Path | None = None

    def save_checkpoint(self, save_dir: str, tag: str, *, save_latest: bool) -> None:
        assert not save_latest
        (Path(save_dir) / tag).mkdir()
        (Path(save_dir) / tag / "weights.pt").write_bytes(b"weights")
        if self.killed:
            raise KeyboardInterrupt

    def load_checkpoint(self, load_dir: str, tag: str) -> None:
        self.loaded = Path(load_dir) / tag


def checkpoints(out_dir: Path, *, keep: int = 2, world_size: int = 1, digest: str = "d1" * 32, **options: Any) -> Any:
    args = TrainingArgs(out_dir=out_dir, **options)
    prepared = Checkpoints(
        folder=out_dir / "checkpoints",
        keep=keep,
        processes=Processes(rank=0, world_size=1, device=torch.device("cpu")),
        setup=Setup.of(args, digest, world_size),
    )
    prepared.prepare()
    return prepared


def test_a_position_is_restored_as_saved(tmp_path: Path) -> None:
    position = Position(step=7, loss_sum=1.25, results=(RESULT,))
    unsent = [{"key": "loss", "value": 1.0, "timestamp": 5, "step": 7}]
    checkpoints(tmp_path).save(Engine(), position, unsent)
    saved = checkpoints(tmp_path).newest()
    assert saved.position == position
    assert saved.unsent_metrics == unsent
    engine = Engine()
    checkpoints(tmp_path).load(engine, saved)
    assert engine.loaded == saved.folder


def test_a_new_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoints(tmp_path).newest() is None


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    stored = checkpoints(tmp_path, keep=2)
    for step in (9, 10, 11, 100):
        stored.save(Engine(), Position(step=step), [])
    assert sorted(path.name for path in stored.folder.iterdir()) == ["step-000000011", "step-000000100"]
    assert stored.newest().position.step == 100


def test_an_incomplete_checkpoint_is_ignored_and_removed(tmp_path: Path) -> None:
    stored = checkpoints(tmp_path)
    stored.save(Engine(), Position(step=1), [])
    with pytest.raises(KeyboardInterrupt):
        stored.save(Engine(killed=True), Position(step=2), [])
    assert stored.newest().position.step == 1
    again = checkpoints(tmp_path)
    assert [path.name for path in again.folder.iterdir()] == ["step-000000001"]
    again.save(Engine(), Position(step=2), [])
    assert again.newest().position.step == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 64}, "--batch-size 32, not 64"),
        ({"seed": 5}, "--seed 0, not 5"),
        ({"width": 8}, "--width 32, not 8"),
        ({"zero_stage": 1}, "--zero-stage 0, not 1"),
        ({"digest": "ff" * 32}, "other data (SHA-256 d1d1d1d1d1d1, now ffffffffffff)"),
    ],
)
def test_another_training_may_not_resume_from_it(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    checkpoints(tmp_path).save(Engine(), Position(step=1), [])
    with pytest.raises(WorkloadError) as refusal:
        checkpoints(tmp_path, **changes).newest()
    assert words in str(refusal.value)
    assert refusal.value.code == Exit.USAGE


def test_a_resume_may_train_for_more_epochs(tmp_path: Path) -> None:
    checkpoints(tmp_path, max_epochs=1).save(Engine(), Position(step=1), [])
    assert checkpoints(tmp_path, max_epochs=5).newest().position.step == 1


def test_any_number_of_processes_may_resume_without_sharding(tmp_path: Path) -> None:
    checkpoints(tmp_path, world_size=2).save(Engine(), Position(step=1), [])
    assert checkpoints(tmp_path, world_size=1).newest().position.step == 1


def test_sharded_state_needs_the_same_number_of_processes(tmp_path: Path) -> None:
    checkpoints(tmp_path, world_size=2, zero_stage=2).save(Engine(), Position(step=1), [])
    with pytest.raises(WorkloadError, match="--zero-stage 2 by 2 processes, not 1"):
        checkpoints(tmp_path, world_size=1, zero_stage=2).newest()


def damaged(checkpoint: Path, damage: str) -> None:
    """Damage a checkpoint as a full disk or a power cut would."""
    weights, state = checkpoint / "weights.pt", checkpoint / "state.json"
    match damage:
        case "empty":
            weights.write_bytes(b"")
        case "changed":
            weights.write_bytes(b"w3ights")
        case "missing":
            weights.unlink()
        case "no state":
            state.unlink()
        case "half a state":
            state.write_text(state.read_text()[:-20])
        case "no position":
            state.write_text("{}")
        case "a list":
            state.write_text("[" * 10_000)


@pytest.mark.parametrize("damage", ["empty", "changed", "missing", "no state", "half a state", "no position", "a list"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = checkpoints(tmp_path)
    for step in (10, 20):
        stored.save(Engine(), Position(step=step), [])
    damaged(stored.folder / "step-000000020", damage)
    assert stored.newest().position.step == 10
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{stored.folder / 'step-000000020'} is damaged and skipped: ")


def test_a_training_starts_anew_where_every_checkpoint_is_damaged(tmp_path: Path) -> None:
    stored = checkpoints(tmp_path)
    stored.save(Engine(), Position(step=10), [])
    damaged(stored.folder / "step-000000010", "empty")
    assert stored.newest() is None
    stored.save(Engine(), Position(step=10), [])
    assert stored.newest().position.step == 10


def test_a_damaged_checkpoint_does_not_displace_a_good_one(tmp_path: Path) -> None:
    stored = checkpoints(tmp_path, keep=1)
    stored.save(Engine(), Position(step=20), [])
    damaged(stored.folder / "step-000000020", "empty")
    stored.save(Engine(), Position(step=5), [])
    assert stored.newest().position.step == 5


class Refusing(Engine):
    """Fails to load its own checkpoint."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def load_checkpoint(self, load_dir: str, tag: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [EOFError("Ran out of input"), RuntimeError("size mismatch\nfor a"), (None, None)])
def test_a_checkpoint_that_cannot_be_loaded_is_named_in_one_line(tmp_path: Path, answer: object) -> None:
    stored = checkpoints(tmp_path)
    stored.save(Engine(), Position(step=10), [])
    with pytest.raises(WorkloadError) as failure:
        stored.load(Refusing(answer), stored.newest())
    assert failure.value.code == Exit.USAGE
    assert "step-000000010 can't be loaded" in str(failure.value)
    assert "\n" not in str(failure.value)
