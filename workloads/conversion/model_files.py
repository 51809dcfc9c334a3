"""MLflow model directories of the onnx flavor."""

import hashlib
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from mlflow import onnx as flavor
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from workloads.conversion.export import WEIGHTS_FILE
from workloads.conversion.names import CONVERTED_FROM
from workloads.conversion.network import OUTPUT, Network, quiet
from workloads.conversion.source import Origin
from workloads.serving.watching.baseline import BASELINE_FILE

GRAPH_FILE: Final = "model.onnx"
PACKAGES: Final = ("mlflow", "numpy", "onnx", "onnxruntime")

_EXAMPLES: Final = 4


def save(path: Path, folder: Path, network: Network, inputs: np.ndarray, outputs: np.ndarray, origin: Origin) -> None:
    """Write the ONNX file `path` as the MLflow model directory `folder`, with signature, input example and origin."""
    spec = TensorSpec(network.dtype, (-1, *inputs.shape[1:]), network.name)
    signature = ModelSignature(
        inputs=Schema([spec]), outputs=Schema([TensorSpec(outputs.dtype, (-1, *outputs.shape[1:]), OUTPUT)])
    )
    example = inputs[:_EXAMPLES]
    has_weights_file = path.with_name(WEIGHTS_FILE).exists()
    with quiet():
        flavor.save_model(
            onnx.load(str(path)),
            str(folder),
            signature=signature,
            input_example={network.name: example} if network.name else example,
            # Without them, MLflow would load the model in another process to find them.
            pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
            # These requirements have onnxruntime for the CPU only.
            onnx_execution_providers=["CPUExecutionProvider"],
            metadata={CONVERTED_FROM: origin.to_dict()},
            save_as_external_data=has_weights_file,
            **({"location": WEIGHTS_FILE} if has_weights_file else {}),
        )


def keep_baseline(source: Path, folder: Path) -> None:
    """Copy the baseline of the source's inputs, which are also those of the converted model."""
    if (source / BASELINE_FILE).is_file():
        shutil.copyfile(source / BASELINE_FILE, folder / BASELINE_FILE)


def identify(folder: Path, run_id: str, model_id: str) -> None:
    """Write the IDs that the model has in MLflow into its directory."""
    model = Model.load(str(folder))
    model.run_id, model.model_id = run_id, model_id
    model.save(str(folder / "MLmodel"))


def onnx_files(folder: Path) -> list[Path]:
    """Return the graph, and the weights if they have a file."""
    return [path for name in (GRAPH_FILE, WEIGHTS_FILE) if (path := folder / name).exists()]


def sha256_of(folder: Path) -> str:
    """Return the SHA-256 in hex of the ONNX files."""
    digest = hashlib.sha256()
    for path in onnx_files(folder):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
