"""Which samples a step trains on: a function of seed, epoch and step alone.

So a resumed training sees what an uninterrupted one would have seen, and any number of processes sees the same batches.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workloads.training.data.split import Split

# Pictures are shifted by up to this many pixels: the usual crop of CIFAR-10.
_SHIFT = 4
# Keeps the random streams of shuffling and augmenting apart, and those of one epoch from the next.
_AUGMENT_STREAM = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Batches:
    """The batches of a training split for one process of `world_size`.

    `size` is the number of samples over all processes; each takes an equal slice of every batch.
    """

    split: Split
    size: int
    seed: int
    rank: int
    world_size: int
    augment: bool

    @property
    def per_epoch(self) -> int:
        """Full batches in an epoch; the few samples left over are others in every epoch."""
        return len(self.split) // self.size

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's float pictures and labels of an epoch's batches, from batch `first` on."""
        order = torch.randperm(len(self.split), generator=self._random(epoch)).to(self.split.labels.device)
        share = self.size // self.world_size
        for batch in range(first, self.per_epoch):
            start = batch * self.size + self.rank * share
            chosen = order[start : start + share]
            pictures = self.split.pictures[chosen]
            if self.augment:
                pictures = shift_and_mirror(pictures, self._random(epoch, _AUGMENT_STREAM, batch, self.rank))
            yield as_input(pictures), self.split.labels[chosen]

    def _random(self, *stream: int) -> torch.Generator:
        seed = self.seed
        for number in stream:
            seed = (seed * 1_000_003 + number + 1) % 2**63
        return torch.Generator().manual_seed(seed)


def as_input(pictures: Tensor) -> Tensor:
    """Return uint8 pictures as what the network takes, in the memory order that convolutions are fastest with."""
    return pictures.to(torch.float32).contiguous(memory_format=torch.channels_last)


def shift_and_mirror(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Return the pictures shifted by up to 4 pixels both ways, their edges mirrored in, and half of them flipped."""
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
