"""Inputs to start from, when a model has a signature and no example."""

import json
from typing import Any

import pytest

from workloads.gateway.page import examples
from workloads.gateway.page.tabs import attempt


def made(*fields: dict[str, Any]) -> Any:
    text = examples.from_signature({"inputs": json.dumps(fields)})
    return text and json.loads(text)


def test_columns_become_a_row() -> None:
    columns = [
        {"type": "double", "name": "height"},
        {"type": "long", "name": "width"},
        {"type": "string", "name": "kind"},
    ]
    split = {"columns": ["height", "width", "kind"], "data": [[0.0, 0, "text"]]}
    assert made(*columns) == {"dataframe_split": split}


def test_a_tensor_becomes_zeros_in_its_shape_with_free_axes_of_length_one() -> None:
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2, 3]}}
    assert made(tensor) == {"inputs": [[[0.0] * 3] * 2]}


def test_named_tensors_keep_their_names() -> None:
    tensor = {"type": "tensor", "name": "pixels", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}
    assert made(tensor) == {"inputs": {"pixels": [[0.0, 0.0]]}}


def test_lists_and_objects_in_columns_are_filled() -> None:
    column = {"type": "array", "name": "items", "items": {"type": "object", "properties": {"price": {"type": "float"}}}}
    assert made(column)["dataframe_split"]["data"] == [[[{"price": 0.0}]]]


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "inputs",
        {"inputs": "not JSON"},
        {"inputs": "[]"},
        {"inputs": '[{"type": "tensor", "tensor-spec": {"shape": [-1, 100000]}}]'},
        {"inputs": '[{"type": "tensor"}]'},
    ],
)
def test_a_signature_that_says_nothing_usable_gives_no_example(signature: object) -> None:
    assert examples.from_signature(signature) is None


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"served_version": "3", "wanted_version": "3"}, "Version 3 is served."),
        (
            {"served_version": "3", "wanted_version": "4", "state": "refused", "reason": "it is not signed"},
            "Version 3 is served; version 4 is refused: it is not signed.",
        ),
        ({"served_version": None, "wanted_version": "4", "state": "rolling"}, "Version 4 is rolling."),
        (
            {"served_version": "3", "wanted_version": "3", "state": "serving", "reason": "it is served on"},
            "Version 3 is served: it is served on.",
        ),
        (
            {"served_version": "3", "wanted_version": "3", "state": "failed", "reason": "its servers crash"},
            "Version 3 has failed: its servers crash.",
        ),
    ],
)
def test_the_situation_of_a_served_model_is_a_sentence(entry: dict[str, Any], text: str) -> None:
    assert attempt.situation(entry) == text


def test_an_answer_is_indented_and_a_long_one_is_cut() -> None:
    assert attempt.readable(b'{"predictions":[7]}') == '{\n  "predictions": [\n    7\n  ]\n}'
    assert attempt.readable(b"1" * 200_000).endswith("… (200000 bytes)")
