"""Each kind of model answers on the platform, by each way, as it did before it was logged."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities.model_registry import ModelVersion

from contracts import Exit
from tests.platform import flavored
from tests.platform.gated_platform import Platform, running
from tests.platform.kubectl import eventually
from tests.platform.served_model import PREDICT, Served

SMALL = ("--replicas", "1", "--cpu", "25m", "--memory", "1Gi")
TOLERANCE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Question:
    """The bodies of a request by both protocols, and the expected answer."""

    scoring: dict[str, Any]
    tensors: dict[str, Any]
    expected: Any

    def is_answered(self, predictions: Any, output: Any) -> None:
        if isinstance(self.expected[0], str):
            assert [row["text"] for row in predictions] == self.expected
            assert output == self.expected
        else:
            rows = predictions if isinstance(predictions, list) else predictions["output"]
            np.testing.assert_allclose(rows, self.expected, atol=TOLERANCE)
            np.testing.assert_allclose(np.reshape(output, np.shape(self.expected)), self.expected, atol=TOLERANCE)


@pytest.fixture
def platform() -> Iterator[Platform]:
    platform = running()
    yield platform
    platform.remove()


def test_a_pytorch_model_and_its_onnx_conversion_answer_as_the_network(platform: Platform, tmp_path: Path) -> None:
    logged = log(platform, "pytorch", tmp_path)
    samples = np.array(logged["inputs"], np.float32)
    served = released(platform, tmp_path)
    for version, tensor_name in ((served.first, "input-0"), (converted(platform, logged["run"], tmp_path), "input")):
        tensor = {"name": tensor_name, "shape": samples.shape, "datatype": "FP32", "data": samples.ravel().tolist()}
        question = Question(
            scoring={"inputs": logged["inputs"]}, tensors={"inputs": [tensor]}, expected=logged["outputs"]
        )
        answers_by_every_way(served, version, question)
    served.end()


def test_a_code_generation_model_answers_as_it_did_when_it_was_logged(platform: Platform, tmp_path: Path) -> None:
    logged = log(platform, "code", tmp_path)
    params = {"max_new_tokens": flavored.NEW_TOKENS}
    prompts = {"name": "prompt", "shape": [len(logged["inputs"])], "datatype": "BYTES", "data": logged["inputs"]}
    question = Question(
        scoring={"inputs": {"prompt": logged["inputs"]}, "params": params},
        tensors={"inputs": [prompts], "parameters": params},
        expected=logged["outputs"],
    )
    served = released(platform, tmp_path)
    answers_by_every_way(served, served.first, question)
    served.end()


def log(platform: Platform, kind: str, folder: Path) -> dict[str, Any]:
    done = platform.command("-m", "tests.platform.flavored", kind, platform.model, folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def released(platform: Platform, folder: Path) -> Served:
    version = platform.release_best(folder / "release", folder)
    return Served(platform=platform, first=version, second=version, folder=folder)


def converted(platform: Platform, run: str, folder: Path) -> ModelVersion:
    command = ("-m", "workloads.conversion.convert_to_onnx", f"runs:/{run}", "--samples", flavored.SAMPLES)
    done = platform.command(*command, "--register", platform.model, "--sign", folder=folder)
    assert done.returncode == 0, done.stderr
    [version] = platform.client.get_latest_versions(platform.model, ["None"])
    return version


def answered(served: Served, question: Question) -> dict[str, Any] | None:
    """Return the gateway's answer, which learns within seconds what is served."""
    answer = served.ask(f"/{served.name}/predict", question.scoring)
    return answer.json() if answer.ok else None


def answers_by_every_way(served: Served, version: ModelVersion, question: Question) -> None:
    code, printed = served.command("deploy", f"{served.name}/{version.version}", *SMALL, "--timeout", "300")
    assert code == Exit.OK, printed
    by_gateway = eventually(lambda: answered(served, question), seconds=10)
    local = "http://127.0.0.1:8080"
    invoked = json.loads(served.in_the_server(PREDICT, f"{local}/invocations", json.dumps(question.scoring)))
    infer = f"{local}/v2/models/{served.name}/infer"
    outputs = json.loads(served.in_the_server(PREDICT, infer, json.dumps(question.tensors)))["outputs"]
    text = next((each for each in outputs if each["name"] == "text"), outputs[0])
    for predictions in (by_gateway["predictions"], invoked["predictions"]):
        question.is_answered(predictions, text["data"])
