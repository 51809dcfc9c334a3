"""The training loop: steps, losses, validation, and a checkpoint after each epoch and on a request to stop."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from workloads.cli import WorkloadError
from workloads.training.data.batches import as_input
from workloads.training.data.split import Split
from workloads.training.engine import module_of, set_learning_rate
from workloads.training.processes import Processes
from workloads.training.progress import Display, EpochResult, Position
from workloads.training.stopping import Stop

if TYPE_CHECKING:
    import deepspeed

# Losses are fetched from the device this many at a time: each fetch waits until the device's queue is empty.
_FETCH_EVERY = 50
_VALIDATION_BATCH = 512
# The learning rate rises over this share of all steps and falls over the rest.
_RISE = 0.25
# It starts and ends at this share of its peak, so that every step has an effect.
_FLOOR = 0.02

StepMetrics = Callable[[int, dict[str, float]], None]


class Batches(Protocol):
    """The batches of a training for one process; `size` is the number of samples over all processes."""

    @property
    def size(self) -> int:
        """The samples of a batch."""
        ...

    @property
    def per_epoch(self) -> int:
        """The batches of an epoch."""
        ...

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's inputs and labels of an epoch's batches, from batch `first` on."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop(ABC):
    """A training of `epochs` epochs.

    It passes its metrics to `log_step` and `log_epoch`, and the positions of its checkpoints to `save`.
    """

    engine: "deepspeed.DeepSpeedEngine"
    processes: Processes
    batches: Batches
    epochs: int
    peak_learning_rate: float
    log_step: StepMetrics
    log_epoch: Callable[[EpochResult], None]
    save: Callable[[Position], None]
    stop: Stop

    @property
    def steps(self) -> int:
        """The number of steps of the whole training."""
        return self.epochs * self.batches.per_epoch

    def run(self, position: Position) -> Position:
        """Train from `position` to the end or to a request to stop, and return the new position, which is saved.

        Raises:
            WorkloadError: The loss is NaN or infinite.
        """
        display = Display(
            shown=self.processes.leads, epochs=self.epochs, steps_per_epoch=self.batches.per_epoch, start=position.step
        )
        try:
            while position.step < self.steps and not self.processes.any(self.stop.requested):
                position = self._epoch(position, display)
                self.save(position)
        finally:
            display.close()
        return position

    def _epoch(self, position: Position, display: Display) -> Position:
        """Train to the end of the epoch or to a request to stop."""
        epoch, first = divmod(position.step, self.batches.per_epoch)
        started = time.perf_counter()
        self.engine.train()
        losses = _Losses(self, position)
        for inputs, labels in self.batches.epoch(epoch, first):
            losses.add(self._step(losses.step, inputs, labels))
            display.step()
            if self.processes.any(self.stop.requested):
                break
        position = losses.fetch()
        seconds = time.perf_counter() - started
        self.processes.average_statistics(module_of(self.engine))
        if position.step < (epoch + 1) * self.batches.per_epoch:
            return position
        samples = (self.batches.per_epoch - first) * self.batches.size
        result = self._result(epoch + 1, position.loss_sum / self.batches.per_epoch, samples / seconds)
        self.log_epoch(result)
        display.epoch(result)
        return replace(position, loss_sum=0.0, results=(*position.results, result))

    @abstractmethod
    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return this process's loss of a batch, whose mean over the processes is the loss of the batch."""

    @abstractmethod
    def validate(self) -> tuple[float, float]:
        """Return mean loss and accuracy on the validation data, over all processes; all of them must call it."""

    def _step(self, step: int, inputs: Tensor, labels: Tensor) -> Tensor:
        set_learning_rate(self.engine, self.rate(step))
        loss = self.loss(inputs, labels)
        self.engine.backward(loss)
        self.engine.step()
        return loss.detach()

    def rate(self, step: int) -> float:
        """Return the learning rate of `step`."""
        return learning_rate(step, self.steps, self.peak_learning_rate)

    def _result(self, epoch: int, train_loss: float, samples_per_second: float) -> EpochResult:
        loss, correct = self.validate()
        return EpochResult(
            epoch=epoch,
            train_loss=train_loss,
            val_loss=loss,
            val_accuracy=correct,
            samples_per_second=samples_per_second,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureLoop(Loop):
    """A training that classifies pictures, validated on `validation`."""

    validation: Split

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy of this process's pictures."""
        return functional.cross_entropy(self.engine(inputs), labels)

    def validate(self) -> tuple[float, float]:
        """Return mean cross-entropy and accuracy on the validation split."""
        return evaluate(self.engine, self.validation, self.processes)


class _Losses:
    """Collects the losses of steps on the device and fetches them in groups, as means over all processes."""

    def __init__(self, loop: Loop, position: Position) -> None:
        self.step = position.step
        self._loop = loop
        self._position = position
        self._waiting: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        """Add the loss of the next step."""
        self._waiting.append(loss)
        self.step += 1
        if len(self._waiting) >= _FETCH_EVERY:
            self.fetch()

    def fetch(self) -> Position:
        """Log the collected losses and return the position after them."""
        if self._waiting:
            values = self._loop.processes.sum(torch.stack(self._waiting)) / self._loop.processes.world_size
            self._waiting.clear()
            for step, loss in enumerate(values.tolist(), start=self._position.step):
                self._log(step, loss)
        return self._position

    def _log(self, step: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise WorkloadError(
                f"the loss is {loss} at step {step + 1}: training has diverged. Try a lower learning rate."
            )
        self._loop.log_step(step + 1, {"step/loss": loss, "step/learning_rate": self._loop.rate(step)})
        self._position = replace(self._position, step=step + 1, loss_sum=self._position.loss_sum + loss)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Return the one-cycle learning rate of `step` (from 0) of `steps`: linear up to `peak`, then linear down.

    It depends on the step alone, so a checkpoint needn't save it.
    """
    position = (step + 1) / (steps + 1)
    height = position / _RISE if position < _RISE else (1 - position) / (1 - _RISE)
    return peak * max(height, _FLOOR)


@torch.no_grad()
def evaluate(engine: "deepspeed.DeepSpeedEngine", split: Split, processes: Processes) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy over `split`, which the processes share; all of them must call it."""
    engine.eval()
    totals = torch.zeros(2, dtype=torch.float64, device=processes.device)
    for pictures, labels in _shares(split, processes):
        logits = engine(as_input(pictures)).float()
        totals[0] += functional.cross_entropy(logits, labels, reduction="sum")
        totals[1] += (logits.argmax(dim=1) == labels).sum()
    loss, correct = (processes.sum(totals) / len(split)).tolist()
    return loss, correct


def _shares(split: Split, processes: Processes) -> Iterator[tuple[Tensor, Tensor]]:
    share = slice(processes.rank, None, processes.world_size)
    # The same number of batches in all processes: ZeRO-3 gathers the weights for each batch.
    count = math.ceil(len(split) / processes.world_size / _VALIDATION_BATCH)
    return zip(split.pictures[share].tensor_split(count), split.labels[share].tensor_split(count), strict=True)
