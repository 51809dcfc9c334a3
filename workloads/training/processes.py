"""The processes of one training and their collective operations.

torchrun starts several and tells each its rank; without it, one process is the whole training.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from contracts import Exit
from workloads.cli import WorkloadError


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """The `rank` of this process among `world_size`, and its device.

    `control` is a process group on the CPU, whatever the device, so that agreements don't use the GPU's queue.
    """

    rank: int
    world_size: int
    device: torch.device
    control: distributed.ProcessGroup | None = None

    @property
    def leads(self) -> bool:
        """Whether this process talks to the user, the disk and MLflow."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is true in any process; all processes must call it."""
        if self.world_size == 1:
            return flag
        votes = torch.tensor(int(flag))
        distributed.all_reduce(votes, op=distributed.ReduceOp.MAX, group=self.control)
        return bool(votes.item())

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of `values` over all processes; all processes must call it."""
        if self.world_size > 1:
            distributed.all_reduce(values)
        return values

    def barrier(self) -> None:
        """Wait until all processes have called it."""
        if self.world_size > 1:
            distributed.barrier(group=self.control)

    def average_statistics(self, network: nn.Module) -> None:
        """Average the batch-norm statistics, as each process has seen other samples; all processes must call it."""
        if self.world_size == 1:
            return
        for name, buffer in network.named_buffers():
            if "running_" in name:
                distributed.all_reduce(buffer)
                buffer.div_(self.world_size)


def require_divisible(batch_size: int, world_size: int) -> None:
    """Check that the processes can share a batch equally, with at least two samples each for batch norm.

    Raises:
        WorkloadError: They can't; the message gives the allowed sizes.
    """
    if batch_size % world_size or batch_size < 2 * world_size:
        raise WorkloadError(
            f"--batch-size {batch_size} can't be shared by {world_size} processes: "
            f"it must be a multiple of {world_size}, at least {2 * world_size}.",
            Exit.USAGE,
        )
