"""The comparison with PyTorch, with models whose difference is known."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from workloads.conversion import parity
from workloads.conversion.parity import Comparison
from workloads.conversion.request import Limits, NotEqualError, Precision, Request
from workloads.conversion.samples import Samples

Answer = Callable[[np.ndarray], np.ndarray]
SCORES = np.random.default_rng(0).standard_normal((300, 10)).astype(np.float32)


@dataclass
class Fake:
    answer: Answer
    sizes: set[int] = field(default_factory=set)

    def predict(self, inputs: np.ndarray, /) -> np.ndarray:
        self.sizes.add(len(inputs))
        return self.answer(inputs)


def samples(inputs: np.ndarray = SCORES) -> Samples:
    labels = inputs.reshape(len(inputs), -1).argmax(1)
    return Samples(name="fake", inputs=inputs, labels=labels, calibration=inputs[:0], digest="")


def compared(answer: Answer, inputs: np.ndarray = SCORES) -> Comparison:
    return parity.compare(Fake(np.copy), Fake(answer), samples(inputs))


def test_equal_models_have_no_difference() -> None:
    comparison = compared(np.copy)
    assert (comparison.max_difference, comparison.max_relative_difference) == (0, 0)
    assert (comparison.agreement, comparison.accuracy, comparison.pytorch_accuracy) == (1, 1, 1)


def test_the_relative_difference_is_to_the_sample_s_largest_output() -> None:
    comparison = compared(lambda inputs: inputs + 0.5, np.array([[0.0, 1.0], [0.0, 100.0]]))
    assert comparison.max_difference == 0.5
    assert comparison.max_relative_difference == 0.5


@pytest.mark.parametrize(("count", "sizes"), [(300, (1, 7, 256)), (7, (1, 7)), (3, (1, 3)), (1, (1,))])
def test_single_samples_odd_and_large_batches_are_compared(count: int, sizes: tuple[int, ...]) -> None:
    converted = Fake(np.copy)
    comparison = parity.compare(Fake(np.copy), converted, samples(SCORES[:count]))
    assert comparison.batch_sizes == sizes
    assert set(sizes) <= converted.sizes


def test_a_model_that_is_wrong_for_odd_batches_only_is_found() -> None:
    comparison = compared(lambda inputs: inputs + (len(inputs) == 7))
    assert comparison.max_difference == pytest.approx(1)


def test_one_sample_of_300_with_another_class_lowers_agreement_and_accuracy() -> None:
    first, other = SCORES[0], np.roll(SCORES[0], 1)
    comparison = compared(lambda inputs: np.where((inputs == first).all(1, keepdims=True), other, inputs))
    assert comparison.agreement == comparison.accuracy == pytest.approx(299 / 300)
    with pytest.raises(NotEqualError, match=r"the same class as PyTorch for 99\.6667% .* at least 100\.0000%"):
        parity.require("fp32", comparison, Limits(max_difference=None, min_agreement=1, max_loss=None))
    with pytest.raises(NotEqualError, match=r"int8 model loses 0\.3333% of accuracy, allowed is 0\.1000%"):
        parity.require("int8", comparison, Limits(max_difference=None, min_agreement=0, max_loss=0.001))
    parity.require("int8", comparison, Limits(max_difference=None, min_agreement=0.99, max_loss=0.01))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_never_pass(bad: float) -> None:
    with pytest.raises(NotEqualError, match="The converted model returns numbers that are not finite"):
        compared(lambda inputs: inputs * bad)
    with pytest.raises(NotEqualError, match="PyTorch returns numbers that are not finite for 16 of 16 samples"):
        parity.compare(Fake(lambda inputs: inputs * bad), Fake(lambda inputs: inputs * bad), samples())


def test_another_shape_never_passes() -> None:
    with pytest.raises(NotEqualError, match=r"returns the shape \(16, 9\), PyTorch \(16, 10\)"):
        compared(lambda inputs: inputs[:, :9])


def test_outputs_without_classes_need_a_limit_of_their_difference() -> None:
    comparison = compared(lambda inputs: inputs + 0.25, np.zeros((5, 3, 4)))
    assert (comparison.agreement, comparison.accuracy) == (None, None)
    with pytest.raises(NotEqualError, match="so int8 needs a limit: --int8-max-difference"):
        parity.require("int8", comparison, Limits(max_difference=None, min_agreement=1, max_loss=None))
    parity.require("int8", comparison, Limits(max_difference=0.25, min_agreement=1, max_loss=None))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precisions": ("int8",)}, "fp32 is always converted"),
        ({"opset": 15}, "--opset must be 16 to 24, got 15"),
        ({"opset": 25}, "--opset must be 16 to 24, got 25"),
        ({"max_samples": 0}, "--max-samples must be at least 1, got 0"),
        ({"random_samples": -1}, "--random-samples must be at least 1, got -1"),
    ],
)
def test_a_request_out_of_range_is_refused(options: dict[str, int | tuple[Precision]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Request(source="r", **options)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ((-1.0, 1.0, None), "maximum difference must be at least 0, got -1"),
        ((float("nan"), 1.0, None), "maximum difference must be at least 0, got nan"),
        ((None, 1.1, None), r"minimum agreement must be 0 to 1, got 1\.1"),
        ((None, 1.0, -0.1), r"maximum loss of accuracy must be 0 to 1, got -0\.1"),
    ],
)
def test_limits_out_of_range_are_refused(limits: tuple[float | None, float, float | None], words: str) -> None:
    difference, agreement, loss = limits
    with pytest.raises(ValueError, match=words):
        Limits(max_difference=difference, min_agreement=agreement, max_loss=loss)
