"""Tiny real models of each kind, each behind the server's app."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import onnx
import pytest
import torch
from mlflow import onnx as mlflow_onnx
from mlflow import pytorch
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.pyfunc import PyFuncModel
from onnx import TensorProto, helper
from starlette.testclient import TestClient
from torch import nn

from workloads.serving.server.app import State, create_app
from workloads.serving.server.limits import Limits
from workloads.serving.server.metrics import Metrics
from workloads.serving.server.served import Observed, Served, load

NAME, VERSION = "digits", "3"


@dataclass(kw_only=True)
class Seen:
    """A watcher that remembers what it was told."""

    observed: list[tuple[object, float, bool]] = field(default_factory=list)

    def observe(self, inputs: object, seconds: float, ok: bool) -> None:
        self.observed.append((inputs, seconds, ok))

    def summary(self) -> dict[str, Any]:
        return {"observed": len(self.observed)}


@dataclass(frozen=True, kw_only=True)
class Server:
    """The app with a model, and a client of it."""

    client: TestClient
    state: State
    seen: Seen

    def invoke(self, **body: Any) -> httpx2.Response:
        return self.client.post("/invocations", json=body)

    def infer(self, *inputs: dict[str, Any], **fields: Any) -> httpx2.Response:
        return self.client.post(f"/v2/models/{NAME}/infer", json={"inputs": list(inputs), **fields})


Serve = Callable[..., Server]


def tensor(name: str, datatype: str, data: list[Any], shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or list(np.shape(data)), "data": data}


def array(answer: httpx2.Response, number: int = 0) -> np.ndarray:
    """Return an output of an answer of the Open Inference Protocol."""
    output = answer.raise_for_status().json()["outputs"][number]
    return np.array(output["data"]).reshape(output["shape"])


def in_memory(predict: Callable[[Any], Any], signature: ModelSignature | None = None) -> PyFuncModel:
    """Return a model of MLflow that is a function."""

    class Function:
        def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
            return predict(data)

    described = Model(flavors={"python_function": {"loader_module": "tests"}}, signature=signature)
    return PyFuncModel(model_meta=described, model_impl=Function())


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A function that serves a model or the folder of one."""
    with ExitStack() as stack:

        def start(model: PyFuncModel | Path, **limits: Any) -> Server:
            seen, metrics, state = Seen(), Metrics(NAME, VERSION), State()
            watcher: Any = seen
            loaded = load(model) if isinstance(model, Path) else model
            observed = Observed(model=loaded, watcher=watcher, metrics=metrics)
            app = create_app(Served(name=NAME, version=VERSION, model=observed), Limits(**limits), state)
            return Server(client=stack.enter_context(TestClient(app)), state=state, seen=seen)

        yield start


@pytest.fixture(scope="session")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).eval()


@pytest.fixture(scope="session")
def samples() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, 2, 2)).astype(np.float32)


@pytest.fixture(scope="session")
def expected(network: nn.Module, samples: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(samples)).numpy()


@pytest.fixture(scope="session")
def pytorch_folder(
    network: nn.Module, samples: np.ndarray, expected: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("served") / "pytorch"
    pytorch.save_model(
        network,
        folder,
        signature=infer_signature(samples, expected),
        input_example=samples,
        serialization_format="pt2",
        pip_requirements=["mlflow", "torch"],
    )
    return folder


@pytest.fixture(scope="session")
def onnx_folder(samples: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two inputs and two outputs: their sum and their product."""
    shape = ("n", 2, 2)
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in ("left", "right", "sum", "product")
    }
    nodes = [
        helper.make_node("Add", ["left", "right"], ["sum"]),
        helper.make_node("Mul", ["left", "right"], ["product"]),
    ]
    graph = helper.make_graph(nodes, "graph", [values["left"], values["right"]], [values["sum"], values["product"]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    folder = tmp_path_factory.mktemp("served") / "onnx"
    inputs = {"left": samples, "right": samples}
    signature = infer_signature(inputs, {"sum": samples, "product": samples})
    mlflow_onnx.save_model(model, str(folder), signature=signature, pip_requirements=["mlflow", "onnxruntime"])
    return folder
