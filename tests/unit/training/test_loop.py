"""The training loop, with plain PyTorch in place of DeepSpeed's engine."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from workloads.cli import WorkloadError
from workloads.training.data.batches import Batches
from workloads.training.data.split import Split
from workloads.training.loop import PictureLoop
from workloads.training.processes import Processes
from workloads.training.progress import Position
from workloads.training.stopping import Stop

CPU = torch.device("cpu")
EPOCHS, PER_EPOCH = 3, 5


class Engine:
    """The parts of DeepSpeed's engine that the loop uses."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 2)
        self.module = nn.Sequential(nn.Flatten(), self.linear)
        self.optimizer = SimpleNamespace(param_groups=[{"lr": 0.0}])
        self.steps = 0

    def __call__(self, pictures: Tensor) -> Tensor:
        return self.module(pictures)

    def train(self) -> None:
        self.module.train()

    def eval(self) -> None:
        self.module.eval()

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self) -> None:
        with torch.no_grad():
            for parameter in self.module.parameters():
                assert parameter.grad is not None
                parameter.sub_(self.optimizer.param_groups[0]["lr"] * parameter.grad)
        self.module.zero_grad()
        self.steps += 1


class Training:
    """A loop over a small artificial task that records what the loop logs and saves."""

    def __init__(self, engine: Engine, *, pictures: Tensor | None = None) -> None:
        random = torch.Generator().manual_seed(1)
        if pictures is None:
            pictures = torch.randint(0, 9, (21, 1, 2, 2), generator=random)
        split = Split(pictures=pictures, labels=(pictures[:, 0, 0, 0] > 4).long())
        self.engine = engine
        self.stop = Stop()
        self.steps: dict[int, dict[str, float]] = {}
        self.epochs: list[int] = []
        self.saved: list[Position] = []
        self.loop = PictureLoop(
            engine=cast("Any", engine),
            processes=Processes(rank=0, world_size=1, device=CPU),
            batches=Batches(split=split, size=4, seed=0, rank=0, world_size=1, augment=False),
            validation=split,
            epochs=EPOCHS,
            peak_learning_rate=0.1,
            log_step=self.steps.__setitem__,
            log_epoch=lambda result: self.epochs.append(result.epoch),
            save=self.saved.append,
            stop=self.stop,
        )


def stop_at(training: Training, step: int) -> None:
    original = training.engine.step

    def stepped() -> None:
        original()
        training.stop.requested = training.engine.steps == step

    training.engine.step = stepped


def test_a_training_logs_every_step_once_and_saves_every_epoch() -> None:
    training = Training(Engine())
    end = training.loop.run(Position())
    assert sorted(training.steps) == list(range(1, EPOCHS * PER_EPOCH + 1))
    assert training.epochs == [1, 2, 3]
    assert [position.step for position in training.saved] == [5, 10, 15]
    assert end.results[-1].val_loss < end.results[0].val_loss


def test_a_stopped_training_finishes_its_step_and_saves() -> None:
    training = Training(Engine())
    stop_at(training, 7)
    end = training.loop.run(Position())
    assert end.step == 7
    assert [position.step for position in training.saved] == [5, 7]
    assert training.epochs == [1]


def test_an_interrupted_training_has_the_same_result_as_an_uninterrupted_one() -> None:
    whole = Training(Engine())
    expected = whole.loop.run(Position())
    engine = Engine()
    first = Training(engine)
    stop_at(first, 7)
    position = first.loop.run(Position())
    second = Training(engine)
    actual = second.loop.run(position)
    assert actual.step == expected.step
    assert [(r.train_loss, r.val_loss) for r in actual.results] == [
        (r.train_loss, r.val_loss) for r in expected.results
    ]
    assert first.steps | second.steps == whole.steps
    assert torch.equal(engine.linear.weight, whole.engine.linear.weight)


def test_a_training_stopped_before_its_start_does_nothing() -> None:
    training = Training(Engine())
    training.stop.requested = True
    assert training.loop.run(Position()).step == 0
    assert training.saved == []


def test_a_complete_training_does_nothing_more() -> None:
    training = Training(Engine())
    assert training.loop.run(Position(step=15)).step == 15
    assert training.engine.steps == 0


def test_a_loss_of_nan_ends_the_training_and_names_the_step() -> None:
    training = Training(Engine(), pictures=torch.full((21, 1, 2, 2), float("nan")))
    with pytest.raises(WorkloadError, match="the loss is nan at step 1: training has diverged"):
        training.loop.run(Position())
    assert training.saved == []
