"""What must be settled before DeepSpeed is imported: the device, and this process's place among its peers."""

import os

import torch

from contracts import Exit
from workloads.cli import WorkloadError

# DeepSpeed asks for all of them, and otherwise looks for MPI. torchrun sets them; by hand there is one process.
_ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
_TEXT = {"MASTER_ADDR"}


def prepare(device: str) -> torch.device:
    """Return the device of this process ("auto": its GPU, if there is one) and set the environment of DeepSpeed.

    Raises:
        WorkloadError: A variable holds no number, or "cuda" was asked for and there is no GPU for this process.
    """
    for name, value in _ALONE.items():
        given = os.environ.setdefault(name, value)
        if name not in _TEXT and not given.isdecimal():
            raise WorkloadError(f"{name} is {given!r}: a number is expected, as torchrun sets it.", Exit.USAGE)
    local_rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if device == "cpu" or (device == "auto" and gpus == 0):
        os.environ["DS_ACCELERATOR"] = "cpu"
        return torch.device("cpu")
    if local_rank >= gpus:
        raise WorkloadError(
            f"process {local_rank} of this machine needs a GPU of its own and the machine has {gpus}: "
            "start fewer processes, or use --device cpu.",
            Exit.USAGE,
        )
    os.environ["DS_ACCELERATOR"] = "cuda"
    # Deterministic matrix products of cuBLAS need a workspace of fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda", local_rank)
