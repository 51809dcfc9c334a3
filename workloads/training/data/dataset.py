"""A data set in memory: uint8 pictures and labels, split, with a digest of their content."""

import hashlib
from dataclasses import dataclass, replace

import torch

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training.args import TrainingArgs
from workloads.training.data import cifar10, digits
from workloads.training.data.split import Split


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet:
    """Pictures for training and validation.

    `digest` is the SHA-256 of all their bytes, in hex; `augment` tells whether they may be shifted and mirrored.
    """

    name: str
    train: Split
    validation: Split
    class_names: tuple[str, ...]
    digest: str
    augment: bool

    def to(self, device: torch.device) -> "DataSet":
        """Return the data set with its tensors on `device`."""
        return replace(self, train=self.train.to(device), validation=self.validation.to(device))


def load(args: TrainingArgs) -> DataSet:
    """Return the data set that `args` names, with its training split limited to `args.limit`.

    Raises:
        WorkloadError: A file is missing or invalid, or the training split is smaller than one batch.
    """
    train, validation, names = digits.load() if args.data_dir is None else cifar10.load(args.data_dir)
    if args.limit is not None:
        train = _subset(train, args.limit, args.seed)
    if len(train) < args.samples_per_step:
        raise WorkloadError(
            f"--batch-size must be at most {len(train)}, the number of training samples, got {args.samples_per_step}.",
            Exit.USAGE,
        )
    return DataSet(
        name=args.dataset,
        train=train,
        validation=validation,
        class_names=names,
        digest=_digest(train, validation),
        augment=args.dataset == "cifar10",
    )


def _subset(split: Split, size: int, seed: int) -> Split:
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    return Split(pictures=split.pictures[order[:size]], labels=split.labels[order[:size]])


def _digest(*splits: Split) -> str:
    hashed = hashlib.sha256()
    for split in splits:
        for tensor in (split.pictures, split.labels):
            hashed.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            hashed.update(tensor.contiguous().numpy().data)
    return hashed.hexdigest()
