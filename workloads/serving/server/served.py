"""The model that a server serves: loaded from its folder, timed and watched, with one answer for each protocol."""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import PyFuncModel, scoring_server
from mlflow.pyfunc.scoring_server import InvocationsResponse

from workloads import messages
from workloads.cli import WorkloadError
from workloads.serving.server import signature, tensors
from workloads.serving.server.errors import ModelFailedError, RequestError, status_of
from workloads.serving.server.metrics import Metrics
from workloads.serving.server.tensors import Tensor
from workloads.serving.watching.watcher import Watcher

PLATFORM: Final = "mlflow_pyfunc"

_log = logging.getLogger(__name__)


def load(folder: Path) -> PyFuncModel:
    """Load the MLflow model in `folder`.

    Raises:
        WorkloadError: It can't be loaded in this environment.
    """
    try:
        return scoring_server.load_model_with_mlflow_config(str(folder))
    except ModuleNotFoundError as error:
        raise WorkloadError(f"The model needs the package {error.name}, which isn't installed.") from error
    # Whatever the model's own code raises.
    except Exception as error:
        _log.debug("The model can't be loaded.", exc_info=True)
        raise WorkloadError(f"The model in {folder} can't be loaded: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """A model whose predictions are timed and watched; MLflow's scoring functions take it as a PyFunc model."""

    model: PyFuncModel
    watcher: Watcher
    metrics: Metrics

    @property
    def metadata(self) -> Model:
        """The model's MLmodel file."""
        return self.model.metadata

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - the model decides
        """Return the model's prediction.

        Raises:
            MlflowException: The input isn't allowed.
            ModelFailedError: The model's own code failed.
        """
        started = time.perf_counter()
        try:
            prediction = self.model.predict(data, params=params)
        except MlflowException as error:
            if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self._failed(data, started)
            raise
        except Exception as error:
            self._failed(data, started)
            raise ModelFailedError(error) from error
        self.watcher.observe(data, time.perf_counter() - started, ok=True)
        return prediction

    def _failed(self, data: object, started: float) -> None:
        # The stack trace is for the operator: no answer has it.
        _log.exception("The model failed.")
        self.metrics.failed()
        self.watcher.observe(data, time.perf_counter() - started, ok=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A version of a registered model, and its answers."""

    name: str
    version: str
    model: Observed

    def metadata(self) -> dict[str, Any]:
        """Return the protocol's metadata of the model, from its signature."""
        metadata = self.model.metadata
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": PLATFORM,
            "inputs": signature.describe(metadata.get_input_schema(), "input"),
            "outputs": signature.describe(metadata.get_output_schema(), "output"),
        }

    def invoke(self, body: bytes, content_type: str) -> InvocationsResponse:
        """Return MLflow's answer to a request of its scoring protocol.

        Raises:
            MlflowException: The request isn't allowed, or the model fails.
        """
        try:
            return scoring_server.invocations(body, content_type, self.model, self.model.metadata.get_input_schema())
        except MlflowException:
            raise
        # What MLflow's parser doesn't expect: errors of the model's code are MLflow's exceptions by now.
        except Exception as error:
            reason = f"The request can't be read: {type(error).__name__}: {error}"
            raise MlflowException(messages.plain(reason), BAD_REQUEST) from error

    def infer(self, body: bytes) -> bytes:
        """Return the answer to a request of the Open Inference Protocol v2.

        Raises:
            RequestError: The request isn't one of the protocol, or doesn't fit to the signature.
            MlflowException: The model refuses the input, or fails.
        """
        request = _object(body)
        given = [tensors.parse(fields) for fields in _list(request, "inputs")]
        data = signature.model_input(given, self.model.metadata)
        prediction = self.model.predict(data, _parameters(request))
        results = _requested(signature.outputs(prediction, self.model.metadata.get_output_schema()), request)
        answer: dict[str, Any] = {"model_name": self.name, "model_version": self.version}
        if "id" in request:
            answer["id"] = request["id"]
        answer["outputs"] = [tensor.to_json() for tensor in results]
        return json.dumps(answer, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body is not JSON: {error}.") from error
    if not isinstance(request, dict):
        raise RequestError("The body must be a JSON object with the field inputs.")
    if not isinstance(request.get("id", ""), str):
        raise RequestError(f"id must be a string, got {request['id']!r}.")
    return request


def _list(request: Mapping[str, Any], name: str) -> list[Any]:
    values = request.get(name, [])
    if not isinstance(values, list):
        raise RequestError(f"{name} must be a list, got {type(values).__name__}.")
    return values


def _parameters(request: Mapping[str, Any]) -> dict[str, Any] | None:
    parameters = request.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise RequestError(f"parameters must be an object, got {type(parameters).__name__}.")
    return parameters


def _requested(results: list[Tensor], request: Mapping[str, Any]) -> list[Tensor]:
    """Return the outputs that the request names, by default all."""
    by_name: dict[object, Tensor] = {tensor.name: tensor for tensor in results}
    wanted = [each.get("name") if isinstance(each, dict) else None for each in _list(request, "outputs")]
    for name in wanted:
        if not isinstance(name, str) or name not in by_name:
            raise RequestError(f"The model has no output {name!r}, only {', '.join(map(str, by_name))}.")
    return [by_name[name] for name in wanted] or results
