"""The progress of a training and its display: a bar on a terminal, and a line per epoch."""

import operator
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from tqdm import tqdm


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochResult:
    """The metrics of one epoch; losses are mean cross-entropies, accuracy is from 0 to 1."""

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    samples_per_second: float

    def as_metrics(self) -> dict[str, float]:
        """Return the metrics under their names in MLflow."""
        return {
            "train/loss": self.train_loss,
            "val/loss": self.val_loss,
            "val/accuracy": self.val_accuracy,
            "throughput/samples_per_second": self.samples_per_second,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """The position of a training: steps done, sum of the losses in the current epoch, results of complete epochs."""

    step: int = 0
    loss_sum: float = 0.0
    results: tuple[EpochResult, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return the position as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Position":
        """Return the position from the result of `as_dict`.

        Raises:
            KeyError, TypeError, ValueError: The values are not a position.
        """
        results = tuple(EpochResult(**result) for result in values["results"])
        return cls(step=operator.index(values["step"]), loss_sum=float(values["loss_sum"]), results=results)


def say(line: str, *, shown: bool = True) -> None:
    """Print a line on stderr if `shown`, which only one of the processes sets."""
    if shown:
        print(line, file=sys.stderr, flush=True)


class Display:
    """Displays a training on stderr; `shown` is false in all processes but one."""

    def __init__(self, *, shown: bool, epochs: int, steps_per_epoch: int, start: int) -> None:
        self._shown = shown
        self._epochs = epochs
        self._bar = tqdm(
            total=epochs * steps_per_epoch,
            initial=start,
            unit="step",
            file=sys.stderr,
            dynamic_ncols=True,
            disable=not (shown and sys.stderr.isatty()),
        )

    def step(self) -> None:
        """Count one step."""
        self._bar.update()

    def epoch(self, result: EpochResult) -> None:
        """Print the result of an epoch."""
        line = (
            f"epoch {result.epoch}/{self._epochs}: train loss {result.train_loss:.4f}, "
            f"validation loss {result.val_loss:.4f}, accuracy {result.val_accuracy:.2%}, "
            f"{result.samples_per_second:,.0f} samples/s"
        )
        with self._bar.external_write_mode(file=sys.stderr):
            say(line, shown=self._shown)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
