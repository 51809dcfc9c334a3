"""The processes of one training, and what they agree on.

torchrun starts several and tells each its place; without it, a process is a training of its own.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from contracts import Exit
from workloads.cli import WorkloadError


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """The `rank` of one process among `world_size`, and the device that it computes on.

    `control` is a group on the CPU, whatever the device: agreeing on something leaves the GPU's queue alone.
    """

    rank: int
    world_size: int
    device: torch.device
    control: distributed.ProcessGroup | None = None

    @property
    def leads(self) -> bool:
        """Whether this is the process that talks to the user, the disk and MLflow."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is true in any process; all must call it."""
        if self.world_size == 1:
            return flag
        votes = torch.tensor(int(flag))
        distributed.all_reduce(votes, op=distributed.ReduceOp.MAX, group=self.control)
        return bool(votes.item())

    def sum(self, values: Tensor) -> Tensor:
        """Return `values` added up over all processes; all must call it."""
        if self.world_size > 1:
            distributed.all_reduce(values)
        return values

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.world_size > 1:
            distributed.barrier(group=self.control)

    def average_statistics(self, network: nn.Module) -> None:
        """Give all processes the same batch-norm statistics, as each has seen other samples; all must call it."""
        if self.world_size == 1:
            return
        for name, buffer in network.named_buffers():
            if "running_" in name:
                distributed.all_reduce(buffer)
                buffer.div_(self.world_size)


def require_divisible(batch_size: int, world_size: int) -> None:
    """Refuse a batch that the processes can't share equally, or of less than two samples each (batch norm).

    Raises:
        WorkloadError: It doesn't fit; the message says what does.
    """
    if batch_size % world_size or batch_size < 2 * world_size:
        raise WorkloadError(
            f"--batch-size {batch_size} can't be shared by {world_size} processes: "
            f"it must be a multiple of {world_size}, at least {2 * world_size}.",
            Exit.USAGE,
        )
