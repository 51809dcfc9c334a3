"""Export of the trained network, as MLflow models and as plain weights.

The PyTorch model is an exported graph (`torch.export`); the PyFunc model is that graph and the file `classifier.py`.
Loading them needs neither this package nor the network's class, and runs no pickled code.
"""

import logging
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import deepspeed
import torch
from mlflow import pyfunc, pytorch
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array
from torch import Tensor, nn

from workloads.serving.watching.baseline import BASELINE_FILE, Baseline
from workloads.training import classifier, files
from workloads.training.engine import module_of

MODEL_FOLDER = "model"
PYFUNC_FOLDER = "pyfunc"
WEIGHTS_FILE = "weights.pt"

# What `classifier.PictureClassifier` returns.
_CLASSES = Schema(
    [
        ColSpec(DataType.long, "class_index"),
        ColSpec(DataType.string, "class_name"),
        ColSpec(Array(DataType.double), "probabilities"),
    ]
)
# With a single example, the exported graph would accept single pictures only.
_EXAMPLES = 4


def whole_weights(engine: deepspeed.DeepSpeedEngine) -> dict[str, Tensor]:
    """Gather the weights from ZeRO's parts and return them on the CPU; all processes must call it."""
    network = module_of(engine)
    partitioned = engine.zero_optimization_partition_weights()
    with deepspeed.zero.GatheredParameters(list(network.parameters()), enabled=partitioned):
        return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write the weights to `path`, for `torch.load(path, weights_only=True)`."""
    partial = path.with_name(path.name + files.PARTIAL)
    torch.save(weights, partial)
    partial.replace(path)


def save_model(
    network: nn.Module, pictures: Tensor, folder: Path, identity: Model, baseline: Baseline | None = None
) -> None:
    """Write the MLflow model directory `folder`, with a signature and an input example from `pictures` (uint8).

    `identity` has the model's `run_id` and `model_id` in MLflow, if it is logged there. `baseline` is that of the
    training's pictures, which is kept beside the model's files.
    """
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    network = network.eval()
    example = pictures[:_EXAMPLES].cpu().float()
    with torch.no_grad():
        signature = infer_signature(example.numpy(), network(example).numpy())
    partial = folder.with_name(folder.name + files.PARTIAL)
    pytorch.save_model(
        network,
        partial,
        mlflow_model=identity,
        signature=signature,
        input_example=example.numpy(),
        serialization_format="pt2",
        pip_requirements=_requirements("mlflow", "numpy", "torch"),
    )
    _keep(baseline, partial)
    files.publish_folder(partial, folder)


def save_pyfunc(
    model_folder: Path,
    class_names: Sequence[str],
    pictures: Tensor,
    folder: Path,
    identity: Model,
    baseline: Baseline | None = None,
) -> None:
    """Write the MLflow model directory `folder`: a PyFunc model around the PyTorch model in `model_folder`.

    It has a signature and an input example from `pictures` (uint8). `identity` and `baseline` are as for
    `save_model`.
    """
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    partial = folder.with_name(folder.name + files.PARTIAL)
    example = pictures[:_EXAMPLES].cpu().float().numpy()
    pyfunc.save_model(
        partial,
        python_model=classifier.__file__,
        artifacts={classifier.NETWORK: str(model_folder)},
        model_config={classifier.CLASS_NAMES: list(class_names)},
        mlflow_model=identity,
        signature=ModelSignature(inputs=infer_signature(example).inputs, outputs=_CLASSES),
        input_example=example,
        pip_requirements=_requirements("mlflow", "numpy", "pandas", "torch"),
    )
    _keep(baseline, partial)
    files.publish_folder(partial, folder)


def _keep(baseline: Baseline | None, folder: Path) -> None:
    if baseline is not None:
        baseline.write(folder / BASELINE_FILE)


def _requirements(*packages: str) -> list[str]:
    """Return the installed versions; without requirements, MLflow would load the model in a process to find them."""
    return [f"{package}=={version(package).split('+')[0]}" for package in packages]
