"""Export of the trained network, as an MLflow model and as plain weights.

The MLflow model is an exported graph (`torch.export`): loading it needs only PyTorch, without this package or the
network's class, and runs no pickled code.
"""

import logging
from importlib.metadata import version
from pathlib import Path

import deepspeed
import torch
from mlflow import pytorch
from mlflow.models import Model, infer_signature
from torch import Tensor, nn

from workloads.training import files
from workloads.training.engine import module_of

MODEL_FOLDER = "model"
WEIGHTS_FILE = "weights.pt"

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


def save_model(network: nn.Module, pictures: Tensor, folder: Path, identity: Model) -> None:
    """Write the MLflow model directory `folder`, with a signature and an input example from `pictures` (uint8).

    `identity` has the model's `run_id` and `model_id` in MLflow, if it is logged there.
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
        # Without them, MLflow would load the model in another process to find them.
        pip_requirements=[f"{package}=={version(package).split('+')[0]}" for package in ("mlflow", "numpy", "torch")],
    )
    files.publish_folder(partial, folder)
