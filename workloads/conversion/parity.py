"""Comparison of a converted model with PyTorch, sample by sample."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from workloads.conversion.request import Limits, NotEqualError, Precision
from workloads.conversion.samples import Samples

# An exported graph can be right for the batch that it was traced with and wrong for single samples and odd batches.
_BATCHES: Final = (1, 7, 256)
# In batches of each size. All samples are compared in batches of the largest size.
_MOST_SMALL_BATCHES: Final = 16
_CLASS_SCORES: Final = 2


class Model(Protocol):
    """Answers samples, a row each."""

    def predict(self, inputs: np.ndarray, /) -> np.ndarray:
        """Return the outputs of `inputs`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The difference between a converted model and PyTorch.

    `max_difference` is absolute; `max_relative_difference` is relative to the largest absolute output of the same
    sample, because a class score near 0 would make any difference look large. `agreement` is the share of samples with
    the same class, `accuracy` and `pytorch_accuracy` the shares with the right one; None if the outputs are not class
    scores or the samples have no labels.
    """

    samples: int
    batch_sizes: tuple[int, ...]
    max_difference: float
    max_relative_difference: float
    agreement: float | None
    accuracy: float | None
    pytorch_accuracy: float | None


def compare(reference: Model, converted: Model, samples: Samples) -> Comparison:
    """Compare all samples, in batches of 1, an odd and a large size.

    Raises:
        NotEqualError: The outputs differ in shape, or are not finite numbers.
    """
    sizes = tuple(sorted({min(size, len(samples.inputs)) for size in _BATCHES}))
    differences: list[tuple[float, float]] = []
    for size in sizes[:-1]:
        inputs = samples.inputs[: size * _MOST_SMALL_BATCHES]
        differences.append(_difference(_outputs(reference, inputs, size), _outputs(converted, inputs, size)))
    outputs = _outputs(reference, samples.inputs, sizes[-1])
    answers = _outputs(converted, samples.inputs, sizes[-1])
    differences.append(_difference(outputs, answers))
    scores = outputs.ndim == _CLASS_SCORES and outputs.shape[1] >= _CLASS_SCORES
    classes, answered = (outputs.argmax(-1), answers.argmax(-1)) if scores else (None, None)
    return Comparison(
        samples=len(samples.inputs),
        batch_sizes=sizes,
        max_difference=max(difference for difference, _ in differences),
        max_relative_difference=max(relative for _, relative in differences),
        agreement=_share(classes, answered),
        accuracy=_share(answered, samples.labels),
        pytorch_accuracy=_share(classes, samples.labels),
    )


def require(precision: Precision, comparison: Comparison, limits: Limits) -> None:
    """Check a comparison against its limits.

    Raises:
        NotEqualError: It is over a limit, or no limit applies to the model's outputs.
    """
    if comparison.agreement is None and limits.max_difference is None:
        raise NotEqualError(
            f"The model's outputs are not class scores, so {precision} needs a limit: --{precision}-max-difference."
        )
    if limits.max_difference is not None and comparison.max_difference > limits.max_difference:
        _refuse(
            precision, f"differs from PyTorch by {comparison.max_difference:.3g}, allowed is {limits.max_difference:g}"
        )
    if comparison.agreement is not None and comparison.agreement < limits.min_agreement:
        _refuse(
            precision,
            f"gives the same class as PyTorch for {comparison.agreement:.4%} of the samples, at least "
            f"{limits.min_agreement:.4%} is required",
        )
    if comparison.accuracy is None or comparison.pytorch_accuracy is None or limits.max_loss is None:
        return
    loss = comparison.pytorch_accuracy - comparison.accuracy
    if loss > limits.max_loss:
        _refuse(precision, f"loses {loss:.4%} of accuracy, allowed is {limits.max_loss:.4%}")


def _refuse(precision: Precision, reason: str) -> None:
    raise NotEqualError(f"The {precision} model {reason}.")


def _outputs(model: Model, inputs: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([model.predict(inputs[start : start + size]) for start in range(0, len(inputs), size)])


def _difference(outputs: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
    """Return the largest absolute and relative difference."""
    if outputs.shape != answers.shape:
        raise NotEqualError(f"The converted model returns the shape {answers.shape}, PyTorch {outputs.shape}.")
    expected, given = (array.astype(np.float64).reshape(len(array), -1) for array in (outputs, answers))
    for name, array in (("PyTorch", expected), ("The converted model", given)):
        if not np.isfinite(array).all():
            broken = int((~np.isfinite(array)).any(axis=1).sum())
            raise NotEqualError(f"{name} returns numbers that are not finite for {broken} of {len(array)} samples.")
    if not expected.size:
        return 0.0, 0.0
    differences = np.abs(expected - given).max(axis=1)
    largest = np.abs(expected).max(axis=1)
    relative = np.divide(differences, largest, out=np.zeros_like(differences), where=largest > 0)
    return float(differences.max()), float(relative.max())


def _share(classes: np.ndarray | None, others: np.ndarray | None) -> float | None:
    return None if classes is None or others is None else float((classes == others).mean())
