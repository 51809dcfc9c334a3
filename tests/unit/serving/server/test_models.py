"""A prediction over HTTP is the model's, by MLflow's scoring protocol and by the Open Inference Protocol v2."""

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.pyfunc import load_model, save_model, scoring_server
from mlflow.pyfunc.model import PythonModel
from starlette.testclient import TestClient

from tests.support.code_models import TEXT, Saved
from tests.unit.serving.server.conftest import Serve, array, tensor

SAME = {"rtol": 0, "atol": 1e-5}


def test_a_pytorch_model_answers_by_both_protocols(
    serve: Serve, pytorch_folder: Path, samples: np.ndarray, expected: np.ndarray
) -> None:
    server = serve(pytorch_folder)
    invoked = server.invoke(inputs=samples.tolist()).raise_for_status().json()["predictions"]
    np.testing.assert_allclose(invoked, expected, **SAME)
    inferred = server.infer(tensor("pixels", "FP32", samples.tolist()), id="a")
    np.testing.assert_allclose(array(inferred), expected, **SAME)
    answer = inferred.json()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("a", "digits", "3")
    assert {key: answer["outputs"][0][key] for key in ("name", "datatype", "shape")} == {
        "name": "output-0",
        "datatype": "FP32",
        "shape": [5, 3],
    }


def test_flat_and_nested_data_are_the_same(serve: Serve, pytorch_folder: Path, samples: np.ndarray) -> None:
    server = serve(pytorch_folder)
    nested = server.infer(tensor("pixels", "FP32", samples.tolist()))
    flat = server.infer(tensor("pixels", "FP32", samples.ravel().tolist(), shape=[5, 2, 2]))
    np.testing.assert_array_equal(array(flat), array(nested))


def test_the_metadata_are_the_signature(serve: Serve, pytorch_folder: Path) -> None:
    assert serve(pytorch_folder).client.get("/v2/models/digits").json() == {
        "name": "digits",
        "versions": ["3"],
        "platform": "mlflow_pyfunc",
        "inputs": [{"name": "input-0", "datatype": "FP32", "shape": [-1, 2, 2]}],
        "outputs": [{"name": "output-0", "datatype": "FP32", "shape": [-1, 3]}],
    }


def test_an_onnx_model_with_several_tensors_answers_by_both_protocols(
    serve: Serve, onnx_folder: Path, samples: np.ndarray
) -> None:
    server = serve(onnx_folder)
    both = {"left": samples.tolist(), "right": (samples + 1).tolist()}
    invoked = server.invoke(inputs=both).raise_for_status().json()["predictions"]
    np.testing.assert_allclose(invoked["product"], samples * (samples + 1), **SAME)
    inputs = [tensor(name, "FP32", data) for name, data in both.items()]
    inferred = server.infer(*inputs)
    assert [output["name"] for output in inferred.json()["outputs"]] == ["sum", "product"]
    np.testing.assert_allclose(array(inferred, 0), 2 * samples + 1, **SAME)
    np.testing.assert_allclose(array(inferred, 1), samples * (samples + 1), **SAME)
    one = server.infer(*inputs, outputs=[{"name": "product"}])
    assert [output["name"] for output in one.json()["outputs"]] == ["product"]


def test_a_code_generation_model_answers_by_both_protocols(serve: Serve, trained: Saved) -> None:
    prompt, rest = TEXT[:15], TEXT[15:]
    server = serve(trained.folder)
    invoked = server.invoke(dataframe_split={"columns": ["prompt"], "data": [[prompt]]}, params={"max_new_tokens": 40})
    assert invoked.raise_for_status().json()["predictions"][0]["text"] == rest
    inferred = server.infer(tensor("prompt", "BYTES", [prompt, prompt]), parameters={"max_new_tokens": 40})
    outputs = {output["name"]: output for output in inferred.raise_for_status().json()["outputs"]}
    assert outputs["text"] == {"name": "text", "datatype": "BYTES", "shape": [2], "data": [rest, rest]}
    assert outputs["prompt_index"] == {"name": "prompt_index", "datatype": "INT64", "shape": [2], "data": [0, 1]}


def test_parameters_of_the_protocol_are_parameters_of_the_model(serve: Serve, trained: Saved) -> None:
    server = serve(trained.folder)
    prompt = tensor("prompt", "BYTES", [TEXT[:15]])
    short = server.infer(prompt, parameters={"max_new_tokens": 2, "stop": ["zzz"]}).raise_for_status().json()
    assert {output["name"]: output["data"] for output in short["outputs"]}["tokens"] == [2]
    refused = server.infer(prompt, parameters={"max_new_tokens": 0})
    assert refused.status_code == 400
    assert refused.json() == {"error": "max_new_tokens must be a whole number from 1 to 32768, got 0."}


class Shouter(PythonModel):
    def predict(self, model_input: list[str], params: dict[str, Any] | None = None) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride] - MLflow reads the annotations
        return [text.upper() for text in model_input]


def test_a_model_with_annotations_instead_of_a_schema_gets_a_list(serve: Serve, tmp_path: Path) -> None:
    save_model(tmp_path / "model", python_model=Shouter(), pip_requirements=["mlflow"])
    server = serve(tmp_path / "model")
    assert server.invoke(inputs=["a"]).json() == {"predictions": ["A"]}
    answer = server.infer(tensor("text", "BYTES", ["a", "b"])).raise_for_status().json()
    assert answer["outputs"] == [{"name": "output-0", "shape": [2], "datatype": "BYTES", "data": ["A", "B"]}]


def test_the_scoring_protocol_is_that_of_mlflow_models_serve(
    serve: Serve, pytorch_folder: Path, samples: np.ndarray
) -> None:
    """Every answer of MLflow's own server, except that ours has no stack traces and counts the model's failures."""
    ours = serve(pytorch_folder).client
    with TestClient(scoring_server.init(load_model(str(pytorch_folder)))) as theirs:
        for path in ("/ping", "/health", "/version"):
            assert (ours.get(path).content, ours.get(path).headers["content-type"]) == (
                theirs.get(path).content,
                theirs.get(path).headers["content-type"],
            )
        bodies = [
            {"inputs": samples.tolist()},
            {"instances": samples.tolist()},
            {"inputs": samples.tolist(), "params": {"unknown": 1}},
            {"inputs": [[1.0]]},
            {"other": 1},
            {},
        ]
        for body in bodies:
            answers = [client.post("/invocations", json=body) for client in (ours, theirs)]
            assert answers[0].status_code == answers[1].status_code
            assert answers[0].json().get("predictions") == answers[1].json().get("predictions")
            assert answers[0].json().get("error_code") == answers[1].json().get("error_code")
        for kind in ("text/html", "application/json; charset=latin-1"):
            answers = [
                client.post("/invocations", content=b"{}", headers={"content-type": kind}) for client in (ours, theirs)
            ]
            assert (answers[0].status_code, answers[0].text) == (answers[1].status_code, answers[1].text)
