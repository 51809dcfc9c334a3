"""The PyTorch network of an MLflow model: one tensor in, one tensor out."""

import contextlib
import copy
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from mlflow import pytorch
from mlflow.environment_variables import MLFLOW_ALLOW_PICKLE_DESERIALIZATION
from mlflow.models import Model
from mlflow.types import TensorSpec
from torch import Tensor, nn

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.conversion.request import NotEqualError

OUTPUT: Final = "output"

_INPUT: Final = "input"
# PyTorch's name of the module that checks the input of an exported graph (torch/export/_unlift.py).
_GUARDS: Final = "_guards_fn"


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A network on the CPU, ready for inference.

    `name` is that of the input in the signature, if it has one. `shape` is that of one sample, with -1 for a dimension
    of any size. A graph that was exported for a fixed number of samples has this number as `fixed_batch`, else it is
    None.
    """

    module: nn.Module
    name: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fixed_batch: int | None

    @property
    def input_name(self) -> str:
        """The name of the input of the ONNX model."""
        return self.name or _INPUT

    @property
    def size(self) -> int:
        """The bytes of all weights and buffers."""
        tensors = (*self.module.parameters(), *self.module.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the outputs of any number of `inputs`, one row per sample.

        Raises:
            WorkloadError: The network fails, or doesn't return one tensor.
        """
        if self.fixed_batch is None:
            return self._run(inputs)
        size = self.fixed_batch
        # The last sample fills up the last batch.
        filled = np.concatenate([inputs, np.repeat(inputs[-1:], -len(inputs) % size, axis=0)])
        parts = [self._run(filled[start : start + size]) for start in range(0, len(filled), size)]
        return np.concatenate(parts)[: len(inputs)]

    def for_any_batch(self) -> nn.Module:
        """Return the module without the check of a fixed batch; the comparison shows whether it needed that batch."""
        if self.fixed_batch is None or not isinstance(self.module, torch.fx.GraphModule):
            return self.module
        module = copy.deepcopy(self.module)
        for node in list(module.graph.nodes):
            if node.op == "call_module" and node.target == _GUARDS:
                module.graph.erase_node(node)
        module.recompile()
        return module

    def _run(self, inputs: np.ndarray) -> np.ndarray:
        try:
            with torch.inference_mode():
                outputs = self.module(torch.from_numpy(inputs))
        except Exception as error:
            reason = str(error).strip().splitlines()
            raise WorkloadError(
                f"The PyTorch model fails on samples of shape {inputs.shape}: {reason[0] if reason else type(error)}",
                Exit.USAGE,
            ) from error
        if not isinstance(outputs, Tensor):
            raise WorkloadError(
                f"The model returns a {type(outputs).__name__}; only a model that returns one tensor can be converted.",
                Exit.USAGE,
            )
        if outputs.ndim == 0 or len(outputs) != len(inputs):
            raise NotEqualError(
                f"The model returns a tensor of shape {tuple(outputs.shape)} for {len(inputs)} samples: its first "
                "dimension must be the batch."
            )
        return outputs.numpy()


def load(folder: Path, *, allow_pickle: bool) -> Network:
    """Load the network of an MLflow model directory with the pytorch flavor.

    Raises:
        WorkloadError: It has no signature of one tensor, is pickled and `allow_pickle` is false, or can't be loaded.
    """
    spec = _input_of(folder)
    module = _module(folder, allow_pickle=allow_pickle)
    return Network(
        module=module,
        name=spec.name,
        shape=tuple(spec.shape[1:]),
        dtype=spec.type,
        fixed_batch=_fixed_batch(module),
    )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run PyTorch on one thread.

    The outputs are then the same on every machine with this processor. On a busy machine it is also faster: threads of
    a small network wait for one another.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress the warnings, log records and prints of PyTorch's and onnxruntime's tools."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _input_of(folder: Path) -> TensorSpec:
    signature = Model.load(str(folder)).signature
    if signature is None or signature.inputs is None:
        raise WorkloadError("The model has no signature: log it with a signature or an input example.", Exit.USAGE)
    inputs = signature.inputs.inputs
    if len(inputs) != 1 or not isinstance(inputs[0], TensorSpec):
        raise WorkloadError(
            f"The model's signature has the inputs {signature.inputs}; only a model with one tensor as its input can "
            "be converted.",
            Exit.USAGE,
        )
    return inputs[0]


def _module(folder: Path, *, allow_pickle: bool) -> nn.Module:
    try:
        with quiet(), _environment({MLFLOW_ALLOW_PICKLE_DESERIALIZATION.name: str(allow_pickle).lower()}):
            options = {} if _is_graph(folder) else {"map_location": "cpu", "weights_only": False}
            module = pytorch.load_model(str(folder), device="cpu", **options)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if "Deserializing model using pickle is disallowed" in reason or "pickle-free" in reason:
            reason = "it is pickled, and loading it can run any code; --allow-pickle permits it for a model you trust"
        raise WorkloadError(f"The PyTorch model can't be loaded: {reason}.", Exit.USAGE) from error
    return module


def _is_graph(folder: Path) -> bool:
    return any(folder.glob("data/*.pt2"))


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _fixed_batch(module: nn.Module) -> int | None:
    if not isinstance(module, torch.fx.GraphModule):
        return None
    for node in module.graph.nodes:
        example = node.meta.get("val")
        if node.op == "placeholder" and isinstance(example, Tensor) and example.ndim:
            size = example.shape[0]
            return size if isinstance(size, int) else None
    return None
