"""The batches of a training, which depend on seed, epoch and step alone.

So a resumed training gets the same batches as an uninterrupted one, and so does any number of processes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workloads.training.data.split import Split

# In pixels: the usual random crop of CIFAR-10.
_SHIFT = 4
# Separates the random streams of augmentation from those of shuffling.
_AUGMENT_STREAM = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Batches:
    """The batches of a training split for one process of `world_size`.

    `size` is the number of samples over all processes; each process gets an equal slice of every batch.
    """

    split: Split
    size: int
    seed: int
    rank: int
    world_size: int
    augment: bool

    @property
    def per_epoch(self) -> int:
        """The number of full batches in an epoch; the few samples left over differ in each epoch."""
        return len(self.split) // self.size

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's float pictures and labels of an epoch's batches, from batch `first` on."""
        order = torch.randperm(len(self.split), generator=random_of(self.seed, epoch)).to(self.split.labels.device)
        share = self.size // self.world_size
        for batch in range(first, self.per_epoch):
            start = batch * self.size + self.rank * share
            chosen = order[start : start + share]
            pictures = self.split.pictures[chosen]
            if self.augment:
                pictures = shift_and_mirror(pictures, random_of(self.seed, epoch, _AUGMENT_STREAM, batch, self.rank))
            yield as_input(pictures), self.split.labels[chosen]


def random_of(seed: int, *stream: int) -> torch.Generator:
    """Return the random generator of a stream, such as an epoch's order; each stream has other numbers."""
    for number in stream:
        seed = (seed * 1_000_003 + number + 1) % 2**63
    return torch.Generator().manual_seed(seed)


def as_input(pictures: Tensor) -> Tensor:
    """Convert uint8 pictures to the network's input, in the memory order that is fastest for convolutions."""
    return pictures.to(torch.float32).contiguous(memory_format=torch.channels_last)


def shift_and_mirror(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Shift the pictures by up to 4 pixels in both directions with reflected edges, and mirror half of them."""
    count, _, height, width = pictures.shape
    device = pictures.device
    offsets = torch.randint(0, 2 * _SHIFT + 1, (2, count, 1), generator=random).to(device)
    flipped = torch.randint(0, 2, (count, 1), generator=random).to(device).bool()
    padded = functional.pad(pictures.float(), (_SHIFT,) * 4, mode="reflect").to(pictures.dtype)
    rows = offsets[0] + torch.arange(height, device=device)
    columns = torch.arange(width, device=device).expand(count, width)
    columns = offsets[1] + torch.where(flipped, columns.flip(1), columns)
    samples = torch.arange(count, device=device)[:, None, None]
    # Index arrays around the channel slice put the channels last; move them back.
    return padded[samples, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
