"""The settings of a conversion, checked before anything heavy is imported."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from aegis.errors import NotVerifiedError

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16", "int8")

# The lowest that PyTorch's exporter reaches (it converts from 18 downwards), and the highest that onnx 1.19 checks.
OPSETS: Final = range(16, 25)
DEFAULT_OPSET: Final = 18
DEFAULT_SAMPLES: Final = 2048


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The most that a converted model may differ from PyTorch; None doesn't limit.

    `max_difference` is in units of the outputs. `min_agreement` is the share of samples, 0 to 1, that get the same
    class. `max_loss` is the loss of accuracy on labelled samples, as a share of the samples.
    """

    max_difference: float | None
    min_agreement: float
    max_loss: float | None

    def __post_init__(self) -> None:
        if self.max_difference is not None and not self.max_difference >= 0:
            raise ValueError(f"a maximum difference must be at least 0, got {self.max_difference}.")
        if not 0 <= self.min_agreement <= 1:
            raise ValueError(f"a minimum agreement must be 0 to 1, got {self.min_agreement}.")
        if self.max_loss is not None and not 0 <= self.max_loss <= 1:
            raise ValueError(f"a maximum loss of accuracy must be 0 to 1, got {self.max_loss}.")


# fp16 and int8 change the outputs by design, so by default the classes count, not the differences.
DEFAULT_LIMITS: Final[Mapping[Precision, Limits]] = {
    "fp32": Limits(max_difference=1e-4, min_agreement=1.0, max_loss=None),
    "fp16": Limits(max_difference=None, min_agreement=0.99, max_loss=0.005),
    "int8": Limits(max_difference=None, min_agreement=0.97, max_loss=0.02),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A conversion: the source, the precisions, the samples to compare with, and the limits.

    Attributes:
        source: `runs:/ID`, a run's ID, `models:/NAME/VERSION`, `models:/NAME@ALIAS`, `models:/m-ID` or a directory.
        precisions: "fp32" always, and "fp16" and "int8" by choice.
        samples: A .npy or .npz file; None for the trainer's validation set of the model's input shape.
        data_dir: The files of CIFAR-10, if the model takes its pictures.
        random_samples: A number of random inputs in place of real samples.
        max_samples: The number of samples to use, from the first.
        allow_pickle: Whether to load a pickled model, which can run any code.

    Raises:
        ValueError: A value is out of range.
    """

    source: str
    precisions: tuple[Precision, ...] = ("fp32",)
    opset: int = DEFAULT_OPSET
    samples: Path | None = None
    data_dir: Path | None = None
    random_samples: int | None = None
    max_samples: int = DEFAULT_SAMPLES
    limits: Mapping[Precision, Limits] = field(default_factory=lambda: DEFAULT_LIMITS)
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        if "fp32" not in self.precisions:
            raise ValueError("fp32 is always converted: the other precisions are made from it.")
        if self.opset not in OPSETS:
            raise ValueError(f"--opset must be {OPSETS[0]} to {OPSETS[-1]}, got {self.opset}.")
        if self.max_samples < 1:
            raise ValueError(f"--max-samples must be at least 1, got {self.max_samples}.")
        if self.random_samples is not None and self.random_samples < 1:
            raise ValueError(f"--random-samples must be at least 1, got {self.random_samples}.")

    def options(self) -> dict[str, Any]:
        """Return the options that decide the result, for the key by which a conversion is found again."""
        return {
            "opset": self.opset,
            "precisions": sorted(self.precisions),
            "limits": {precision: asdict(self.limits[precision]) for precision in sorted(self.precisions)},
        }


class NotEqualError(NotVerifiedError):
    """A converted model doesn't answer as the PyTorch model does."""
