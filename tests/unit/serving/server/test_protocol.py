"""The datatypes and the errors of the Open Inference Protocol v2."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array, Object, Property

from tests.unit.serving.server.conftest import Serve, Server, array, in_memory, tensor

NUMBERS = {
    "BOOL": [True, False],
    **{f"INT{bits}": [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": [0, 2**bits - 1] for bits in (8, 16, 32, 64)},
    "FP16": [1.5, -65504.0],
    "FP32": [0.10000000149011612, 3.4e38],
    "FP64": [0.1, 1e308],
}


def echo(value: Any) -> Any:
    return value


@pytest.mark.parametrize("datatype", NUMBERS)
def test_each_datatype_of_numbers_reaches_the_model_and_comes_back(serve: Serve, datatype: str) -> None:
    """Two dimensions: without a signature, a tensor with a column for each sample is a DataFrame."""
    seen: list[np.ndarray] = []
    server = serve(in_memory(lambda value: seen.append(value) or value))
    answer = server.infer(tensor("x", datatype, [NUMBERS[datatype]])).raise_for_status().json()
    [output] = answer["outputs"]
    assert (output["datatype"], output["shape"]) == (datatype, [1, 2])
    assert output["data"] == pytest.approx(NUMBERS[datatype], rel=1e-6 if datatype == "FP32" else 0)
    assert seen[0].dtype.itemsize * 8 == (8 if datatype == "BOOL" else int(datatype.lstrip("UINTFP")))


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BOOL", [0, 1]),
        ("INT8", [128]),
        ("UINT8", [-1]),
        ("UINT64", [1, 2**64]),
        ("UINT64", [-1, 2**63]),
        ("UINT64", [1, 1.5]),
        ("INT64", [2**63]),
        ("INT64", [1.5]),
        ("INT32", ["1"]),
        ("INT32", [None]),
        ("FP16", [65520.0]),
        ("FP32", [1e39]),
        ("FP32", ["1.5"]),
        ("FP64", [{}]),
        ("FP64", [[1.0, 2.0], [3.0]]),
        ("BYTES", [1]),
        ("BYTES", [["a"], "b"]),
        ("COMPLEX64", [1]),
        ("FP32", "1.5"),
    ],
)
def test_a_value_outside_its_datatype_is_refused(serve: Serve, datatype: str, data: Any) -> None:
    answer = serve(in_memory(echo)).infer(tensor("x", datatype, data, shape=[len(data)]))
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Input 'x': ")


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [3]},
        {"shape": [1, 3]},
        {"shape": [-2]},
        {"shape": [True, 2]},
        {"shape": 2},
        {"shape": None},
        {"shape": [1] * 99 + [2]},
        {"shape": [0, 2**70]},
        {"data": None, "parameters": {"binary_data_size": 8}},
        {"data": [[1.0], [2.0]]},
        {"name": None},
        {"datatype": None},
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(serve: Serve, change: dict[str, Any]) -> None:
    answer = serve(in_memory(echo)).infer(tensor("x", "FP32", [1.0, 2.0]) | change)
    assert answer.status_code == 400
    assert "nput" in answer.json()["error"]


def test_not_a_number_is_null_in_both_directions(serve: Serve) -> None:
    answer = serve(in_memory(echo)).infer(tensor("x", "FP64", [[1.0, None]]))
    assert answer.raise_for_status().json()["outputs"][0]["data"] == [1.0, None]


COLUMNS = Schema(
    [
        ColSpec(DataType.boolean, "flag"),
        ColSpec(DataType.integer, "count"),
        ColSpec(DataType.long, "id"),
        ColSpec(DataType.float, "weight"),
        ColSpec(DataType.double, "price"),
        ColSpec(DataType.string, "text"),
        ColSpec(DataType.binary, "blob"),
        ColSpec(DataType.datetime, "at"),
        ColSpec(Array(DataType.double), "vector"),
        ColSpec(Object([Property("a", DataType.long)]), "record"),
        ColSpec(DataType.double, "extra", required=False),
    ]
)
ROW: dict[str, tuple[str, list[Any]]] = {
    "flag": ("BOOL", [True, False]),
    "count": ("INT32", [1, 2]),
    "id": ("INT64", [3, 4]),
    "weight": ("FP32", [0.5, 1.5]),
    "price": ("FP64", [0.1, 0.2]),
    "text": ("BYTES", ["a", "é"]),
    "blob": ("BYTES", ["AAE=", ""]),
    "at": ("BYTES", ["2026-01-02T03:04:05", "2026-01-02"]),
    "vector": ("FP64", [[1.0, 2.0], [3.0, 4.0]]),
    "record": ("BYTES", ['{"a": 1}', '{"a": 2}']),
}


def table(**changed: list[Any]) -> list[dict[str, Any]]:
    return [tensor(name, kind, changed.get(name, data)) for name, (kind, data) in ROW.items()]


@pytest.fixture
def columns(serve: Serve) -> tuple[Server, list[pd.DataFrame]]:
    seen: list[pd.DataFrame] = []
    model = in_memory(lambda frame: seen.append(frame) or frame, ModelSignature(inputs=COLUMNS, outputs=COLUMNS))
    return serve(model), seen


def test_the_inputs_are_the_columns_of_the_signature(columns: tuple[Server, list[pd.DataFrame]]) -> None:
    server, seen = columns
    answer = server.infer(*reversed(table())).raise_for_status().json()
    [frame] = seen
    assert frame.columns.tolist() == list(ROW)
    assert frame["blob"].tolist() == [b"\x00\x01", b""]
    assert frame["at"].tolist() == [pd.Timestamp("2026-01-02 03:04:05"), pd.Timestamp("2026-01-02")]
    assert frame["record"].tolist() == [{"a": 1}, {"a": 2}]
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert list(outputs) == list(ROW)
    for name in ("flag", "count", "id", "weight", "price", "text", "blob"):
        assert (outputs[name]["datatype"], outputs[name]["data"]) == ROW[name]
    assert outputs["vector"] == tensor("vector", "FP64", ROW["vector"][1]) | {"data": [1.0, 2.0, 3.0, 4.0]}
    assert outputs["at"]["data"][0].startswith("2026-01-02T03:04:05")
    assert outputs["record"]["data"] == ['{"a": 1}', '{"a": 2}']


def test_a_column_may_have_a_second_dimension_of_one(columns: tuple[Server, list[pd.DataFrame]]) -> None:
    server, seen = columns
    server.infer(*table(price=[[0.1], [0.2]])).raise_for_status()
    assert seen[0]["price"].tolist() == [0.1, 0.2]


def test_the_metadata_describe_each_column(columns: tuple[Server, list[pd.DataFrame]]) -> None:
    described = columns[0].client.get("/v2/models/digits").json()["inputs"]
    assert {each["name"]: (each["datatype"], len(each["shape"])) for each in described} == {
        **{name: (kind, 2 if name == "vector" else 1) for name, (kind, _) in ROW.items()},
        "extra": ("FP64", 1),
    }


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (table()[1:], "see flag."),
        ([*table(), tensor("other", "FP32", [1.0, 2.0])], "see other."),
        ([*table(), table()[0]], "each with another name"),
        (table(blob=["%", ""]), "Input 'blob': '%' can't be read as"),
        (table(at=["yesterday", "today"]), "Input 'at': 'yesterday' can't be read as"),
        (table(record=["{", "{}"]), "Input 'record': '{' can't be read as"),
        (table(price=[0.1]), "must have the same first dimension"),
        (table(vector=[1.0, 2.0]), "Input 'vector': its shape must be [-1, -1], got [2]"),
        ([*table()[:4], tensor("price", "BYTES", ["1", "2"]), *table()[5:]], "Input 'price'"),
        ([tensor("flag", "INT32", [1, 0]), *table()[1:]], "Incompatible input types for column flag"),
        ([], "inputs must be a list of at least one tensor"),
    ],
)
def test_inputs_that_do_not_fit_the_signature_are_refused(
    columns: tuple[Server, list[pd.DataFrame]], inputs: list[dict[str, Any]], reason: str
) -> None:
    answer = columns[0].infer(*inputs)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert reason in answer.json()["error"]
    assert columns[1] == []


def test_inputs_without_a_signature_are_columns_or_arrays(serve: Serve) -> None:
    seen: list[Any] = []
    server = serve(in_memory(lambda value: seen.append(value) or 1))
    server.infer(tensor("a", "FP32", [1.0]), tensor("b", "BYTES", [["x"]])).raise_for_status()
    server.infer(tensor("a", "FP32", [[1.0, 2.0]])).raise_for_status()
    server.infer(tensor("a", "FP32", [[1.0, 2.0]]), tensor("b", "FP32", [1.0])).raise_for_status()
    frame, single, several = seen
    assert frame.to_dict("list") == {"a": [1.0], "b": ["x"]}
    assert single.shape == (1, 2)
    assert {name: values.shape for name, values in several.items()} == {"a": (1, 2), "b": (1,)}


@pytest.mark.parametrize(
    ("prediction", "outputs"),
    [
        (1.5, [("output-0", "FP64", [1], [1.5])]),
        ("text", [("output-0", "BYTES", [1], ["text"])]),
        ([1, 2], [("output-0", "INT64", [2], [1, 2])]),
        (["a", None, {"b": 1}], [("output-0", "BYTES", [3], ["a", "null", '{"b": 1}'])]),
        ([[1], [2, 3]], [("output-0", "BYTES", [2], ["[1]", "[2, 3]"])]),
        (np.array([b"\x00"], dtype=object), [("output-0", "BYTES", [1], ["AA=="])]),
        ([dt.date(2026, 1, 2)], [("output-0", "BYTES", [1], ["2026-01-02"])]),
        (pd.Series([True], name="x"), [("output-0", "BOOL", [1], [True])]),
        (pd.DataFrame({"a": [1.0], "b": ["x"]}), [("a", "FP64", [1], [1.0]), ("b", "BYTES", [1], ["x"])]),
        ({"a": np.ones((1, 2), np.float16)}, [("a", "FP16", [1, 2], [1.0, 1.0])]),
        (np.array([], dtype=np.float32), [("output-0", "FP32", [0], [])]),
    ],
)
def test_each_form_of_a_prediction_is_tensors(
    serve: Serve, prediction: Any, outputs: list[tuple[str, str, list[int], list[Any]]]
) -> None:
    answer = serve(in_memory(lambda _: prediction)).infer(tensor("x", "FP32", [1.0])).raise_for_status()
    found = [tuple(each[key] for key in ("name", "datatype", "shape", "data")) for each in answer.json()["outputs"]]
    assert found == outputs


def test_the_columns_of_an_array_are_named_after_the_signature(serve: Serve) -> None:
    two = Schema([ColSpec(DataType.double, "low"), ColSpec(DataType.double, "high")])
    signature = infer_signature(pd.DataFrame({"x": [1.0]}))
    signature.outputs = two
    for prediction in (np.array([[1.0, 2.0]]), pd.DataFrame([[1.0, 2.0]]), ([1.0], [2.0])):
        server = serve(in_memory(lambda _, prediction=prediction: prediction, signature))
        answer = server.infer(tensor("x", "FP64", [1.0]))
        assert [output["name"] for output in answer.raise_for_status().json()["outputs"]] == ["low", "high"]
        assert array(answer, 1).tolist() == [2.0]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000, b'{"inputs": 1}', b'{"inputs": [1]}', b'{"inputs": {}}'],
)
def test_a_body_that_is_no_request_is_refused(serve: Serve, body: bytes) -> None:
    answer = serve(in_memory(echo)).client.post("/v2/models/digits/infer", content=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": 1}, "id must be a string"),
        ({"parameters": []}, "parameters must be an object"),
        ({"outputs": {}}, "outputs must be a list"),
        ({"outputs": [{"name": "other"}]}, "The model has no output 'other', only output-0."),
        ({"outputs": ["output-0"]}, "The model has no output None"),
    ],
)
def test_a_field_that_is_wrong_is_named(serve: Serve, fields: dict[str, Any], reason: str) -> None:
    answer = serve(in_memory(echo)).infer(tensor("x", "FP32", [[1.0, 2.0]]), **fields)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]
