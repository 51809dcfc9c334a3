import numpy as np
import pandas as pd
import pytest

from workloads.registry.policy import scores
from workloads.registry.policy.schema import Score
from workloads.registry.policy.scores import PredictionError

TARGET = np.array([0, 1, 1])
LOGITS = np.array([[2.0, -1.0], [0.0, 3.0], [1.0, 0.0]], dtype=np.float32)
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])


@pytest.mark.parametrize(
    "output",
    [
        LOGITS,
        PROBABILITIES,
        PROBABILITIES.tolist(),
        {"logits": LOGITS},
        pd.DataFrame(LOGITS),
        np.array([0, 1, 0]),
        np.array([0.0, 1.0, 0.0]),
        np.array([[0], [1], [0]]),
        np.array([False, True, False]),
        # The probability of the second class.
        np.array([0.1, 0.8, 0.4]),
        pd.Series([0, 1, 0]),
        pd.DataFrame({"prediction": [0, 1, 0]}),
        # The trainer's PyFunc model.
        pd.DataFrame(
            {"class_index": [0, 1, 0], "class_name": ["a", "b", "a"], "probabilities": PROBABILITIES.tolist()}
        ),
    ],
)
def test_classes_and_class_scores_are_understood(output: object) -> None:
    predictions = scores.check(scores.as_array(output), 3)
    assert scores.gains(predictions, TARGET, "accuracy").tolist() == [1, 1, 0]


def test_class_names_are_compared_as_text() -> None:
    names = np.array(["cat", "dog"], dtype=object)
    assert scores.gains(np.array(["cat", "cat"]), names, "accuracy").tolist() == [1, 0]


@pytest.mark.parametrize("output", [PROBABILITIES, np.log(PROBABILITIES) + 5, PROBABILITIES[:, 1]])
def test_the_log_loss_takes_logits_and_probabilities(output: np.ndarray) -> None:
    assert scores.gains(output, TARGET, "log_loss") == pytest.approx(np.log([0.9, 0.8, 0.4]))


def test_a_certain_error_has_a_finite_log_loss() -> None:
    assert np.isfinite(scores.gains(np.array([[0.0, 1.0]]), np.array([0]), "log_loss")).all()


@pytest.mark.parametrize(("score", "expected"), [("absolute_error", [-1, -2]), ("squared_error", [-1, -4])])
def test_the_errors_of_a_regression_are_negative_gains(score: Score, expected: list[float]) -> None:
    assert scores.gains(np.array([2.0, 0.0]), np.array([1, 2]), score).tolist() == expected
    several = scores.gains(np.array([[2.0, 2.0], [0.0, 0.0]]), np.array([[1, 1], [2, 2]]), score)
    assert several.tolist() == expected


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"a": LOGITS, "b": LOGITS}, r"it returns 2 outputs \(a, b\)"),
        ([[1], [1, 2], [1]], "its rows have different lengths"),
        (3.0, "its output isn't an array: got float"),
        (np.array([1j, 1j, 1j]), "its predictions must be numbers or class names, got complex128"),
        (LOGITS[:2], "it returns 2 predictions for 3 samples"),
        (np.array([0, np.inf, np.nan]), "its predictions of 2 of 3 samples are NaN or infinite"),
    ],
)
def test_other_outputs_are_refused(output: object, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        scores.check(scores.as_array(output), 3)


@pytest.mark.parametrize(
    ("predictions", "target", "score", "message"),
    [
        (LOGITS, np.array([0, 1, 2]), "accuracy", "it scores 2 classes, and the target has 0 to 2"),
        (LOGITS, np.array(["a", "b", "c"]), "accuracy", "need a whole number per sample"),
        (np.array([0, 1, 0]), np.array(["a", "b", "c"]), "accuracy", "its classes are int64"),
        (np.array([0.5, 1.5, 0]), TARGET, "accuracy", "neither whole nor probabilities"),
        (np.array([0, 1, 0]), TARGET, "log_loss", "log_loss needs a row of logits or probabilities"),
        (LOGITS, TARGET, "absolute_error", r"its output has the shape \(3, 2\), and the target \(3,\)"),
        (np.array(["a", "b", "c"]), TARGET, "squared_error", "an error needs numbers"),
    ],
)
def test_a_score_needs_predictions_of_its_kind(
    predictions: np.ndarray, target: np.ndarray, score: Score, message: str
) -> None:
    with pytest.raises(PredictionError, match=message):
        scores.gains(predictions, target, score)
