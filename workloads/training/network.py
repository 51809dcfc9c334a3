"""The network: residual and small enough to train on two CPU cores, yet it uses a GPU well.

It takes plain pixel values and normalises them itself, so that serving needs no knowledge of the training.
"""

import torch
from torch import Tensor, nn

from workloads.training.args import TrainingArgs
from workloads.training.data.dataset import DataSet

# In pixels: stages halve the picture down to this side. 8x8 digits get one stage, 32x32 pictures three.
_LAST_SIDE = 4
# Without it, the logits of a batch-normalised last stage are too large at the start.
_LOGIT_SCALE = 0.125
_STATISTICS_SAMPLE = 5000


class ResidualNetwork(nn.Module):
    """Classifies pictures of shape (n, channels, side, side), float pixel values, into logits of shape (n, classes).

    `mean` and `std` are per channel, in pixel values.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, channels: int, side: int, classes: int, width: int, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.reshape(1, channels, 1, 1))
        self.register_buffer("std", std.reshape(1, channels, 1, 1))
        layers: list[nn.Module] = [_Convolution(channels, width)]
        while side > _LAST_SIDE:
            layers += [_Convolution(width, 2 * width), nn.MaxPool2d(2), _Residual(2 * width)]
            width, side = 2 * width, side // 2
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(width, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits of `pixels`."""
        features = self.features((pixels - self.mean) / self.std)
        return self.classify(features.amax(dim=(2, 3))) * _LOGIT_SCALE


class _Convolution(nn.Sequential):
    """A 3x3 convolution that keeps the size, batch-normalised."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )


class _Residual(nn.Module):
    """Two convolutions with a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_Convolution(channels, channels), _Convolution(channels, channels))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


def network_for(data: DataSet, args: TrainingArgs) -> ResidualNetwork:
    """Return a network for the pictures of `data`, with initial weights from `args.seed`."""
    _, channels, side, _ = data.train.pictures.shape
    mean, std = _pixel_statistics(data.train.pictures)
    torch.manual_seed(args.seed)
    return ResidualNetwork(
        channels=channels, side=side, classes=len(data.class_names), width=args.width, mean=mean, std=std
    )


def _pixel_statistics(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel of uint8 `pictures` (n, channels, side, side), on the CPU."""
    # A sample from the whole set, as some files are sorted by class.
    sample = pictures[:: max(1, len(pictures) // _STATISTICS_SAMPLE)].cpu().float()
    return sample.mean(dim=(0, 2, 3)), sample.std(dim=(0, 2, 3)).clamp_min(1.0)
