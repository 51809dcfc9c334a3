"""One split of a data set: pictures and their labels."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Pictures, uint8 of shape (n, channels, side, side), and labels, int64 of shape (n,)."""

    pictures: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Split":
        """Return the split on `device`."""
        return Split(pictures=self.pictures.to(device), labels=self.labels.to(device))
