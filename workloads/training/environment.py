"""The device and the environment variables that DeepSpeed needs before it is imported."""

import os

import torch

from contracts import Exit
from workloads.cli import WorkloadError

# DeepSpeed needs all of them and otherwise looks for MPI. torchrun sets them; these are for a single process.
_ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
_TEXT = {"MASTER_ADDR"}


def prepare(device: str) -> torch.device:
    """Return the device of this process ("auto": its GPU, if it has one) and set DeepSpeed's environment variables.

    Raises:
        WorkloadError: A variable is not a number, or `device` is "cuda" and this process has no GPU.
    """
    for name, default in _ALONE.items():
        value = os.environ.setdefault(name, default)
        if name not in _TEXT and not value.isdecimal():
            raise WorkloadError(f"{name} must be a number, as torchrun sets it, got {value!r}.", Exit.USAGE)
    local_rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if device == "cpu" or (device == "auto" and gpus == 0):
        os.environ["DS_ACCELERATOR"] = "cpu"
        return torch.device("cpu")
    if local_rank >= gpus:
        raise WorkloadError(
            f"each process needs its own GPU: this is process {local_rank} (counted from 0) of a machine with {gpus}. "
            "Start fewer processes, or use --device cpu.",
            Exit.USAGE,
        )
    os.environ["DS_ACCELERATOR"] = "cuda"
    # Deterministic matrix products of cuBLAS need a workspace of fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda", local_rank)
