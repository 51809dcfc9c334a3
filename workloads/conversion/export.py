"""Export of a network to an ONNX file with a batch of any size."""

import re
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.conversion.network import OUTPUT, Network, quiet

# In bytes: a protobuf message has at most 2 GiB, so larger weights go to a second file. The graph itself needs some.
LARGEST_FILE: Final = (2 << 30) - (64 << 20)
# The file for the weights of a larger model, beside the graph.
WEIGHTS_FILE: Final = "model.onnx.data"

# PyTorch's messages (torch/onnx/_internal/exporter).
_NO_FUNCTION: Final = re.compile(r"No ONNX function found for <OpOverload\(op='([^']+)'")
_SUMMARY: Final = re.compile(r"## Exception summary\s+<class '[^']*'>: (.+)")
# An exported graph would accept single samples only if it were traced with one.
_EXAMPLES: Final = 3


def export(network: Network, inputs: np.ndarray, path: Path, opset: int) -> None:
    """Write the network as an ONNX file of `opset` to `path`, with a second file beside it for weights above 2 GiB.

    Raises:
        WorkloadError: ONNX has no such operator, the batch can't be of any size, or the file is not valid.
    """
    example = torch.from_numpy(np.ascontiguousarray(inputs[np.arange(_EXAMPLES) % len(inputs)]))
    try:
        with quiet():
            program = torch.onnx.export(
                network.for_any_batch(),
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=[network.input_name],
                output_names=[OUTPUT],
                opset_version=opset,
                verbose=False,
            )
            if program is None:
                raise WorkloadError("PyTorch's exporter made no ONNX program.")
            _strip(program)
            program.save(path, external_data=is_large(network.size))
    except torch.onnx.OnnxExporterError as error:
        raise WorkloadError(_reason(str(error)), Exit.USAGE) from error
    _check(path, network, opset)


def is_large(size: int) -> bool:
    """Return whether weights of `size` bytes need a file beside the graph."""
    return size > LARGEST_FILE


def _strip(program: torch.onnx.ONNXProgram) -> None:
    """Remove the exporter's notes, which show the source code and the paths of the machine, and change by machine."""
    nodes = list(program.model.graph.all_nodes())
    for noted in (program.model, program.model.graph, *nodes, *(value for node in nodes for value in node.outputs)):
        noted.metadata_props.clear()
        noted.doc_string = None


def _reason(message: str) -> str:
    if operators := sorted(set(_NO_FUNCTION.findall(message))):
        return f"The model uses {', '.join(operators)}, which ONNX does not support."
    summary = _SUMMARY.search(message)
    reason = summary[1] if summary else message.splitlines()[0]
    return f"The model can't be exported for a batch of any size: {reason}"


def _check(path: Path, network: Network, opset: int) -> None:
    try:
        onnx.checker.check_model(str(path), full_check=True)
    # The checker and the shape inference raise classes without a common base.
    except Exception as error:
        raise WorkloadError(f"The exported model is not valid ONNX: {str(error).strip().splitlines()[0]}") from error
    model = onnx.load(str(path), load_external_data=False)
    exported = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    # PyTorch only warns if it can't convert to a lower opset.
    if exported != opset:
        raise WorkloadError(
            f"The model can't be converted to opset {opset}; it can be exported with opset {exported}.", Exit.USAGE
        )
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    if not batch.dim_param:
        raise WorkloadError(
            f"The model takes exactly {batch.dim_value} samples at once: its {network.input_name} can't get a batch of "
            "any size.",
            Exit.USAGE,
        )
