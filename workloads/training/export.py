"""The trained network as files that load anywhere: an MLflow model, and the plain weights.

The MLflow model is an exported graph (`torch.export`): loading it runs no pickled code and needs neither this package
nor the network's class, only PyTorch.
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

# More than one, or the exported graph would take single pictures only.
_EXAMPLES = 4


def whole_weights(engine: deepspeed.DeepSpeedEngine) -> dict[str, Tensor]:
    """Return the weights on the CPU, wherever ZeRO keeps their parts; all processes must call it."""
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
    """Write the MLflow model directory `folder`, with a signature and `pictures` (uint8) as input example.

    `identity` has the `run_id` and `model_id` that MLflow knows the model by, if it does.
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
        # Named here, as MLflow would find them by loading the model in a process of its own.
        pip_requirements=[f"{package}=={version(package).split('+')[0]}" for package in ("mlflow", "numpy", "torch")],
    )
    files.publish_folder(partial, folder)
