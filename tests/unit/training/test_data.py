"""The data sets and batches that a training gets."""

from itertools import chain
from pathlib import Path

import pytest
import torch

from workloads.cli import WorkloadError
from workloads.training.args import TrainingArgs
from workloads.training.data import dataset
from workloads.training.data.batches import Batches, shift_and_mirror
from workloads.training.data.split import Split


def batches(*, size: int = 8, rank: int = 0, world_size: int = 1, seed: int = 0, augment: bool = False) -> Batches:
    split = Split(
        pictures=torch.arange(50, dtype=torch.uint8).reshape(50, 1, 1, 1).expand(50, 1, 8, 8).contiguous(),
        labels=torch.arange(50),
    )
    return Batches(split=split, size=size, seed=seed, rank=rank, world_size=world_size, augment=augment)


def labels(source: Batches, epoch: int = 0, first: int = 0) -> list[list[int]]:
    return [chosen.tolist() for _, chosen in source.epoch(epoch, first)]


def test_digits_are_split_the_same_way_for_every_seed() -> None:
    one, other = (dataset.load(TrainingArgs(out_dir=Path("o"), seed=seed)) for seed in (1, 2))
    assert one.digest == other.digest
    assert (len(one.train), len(one.validation)) == (1437, 360)
    assert one.train.pictures.max() == 16


def test_a_limit_takes_samples_of_every_class_and_changes_the_digest() -> None:
    whole = dataset.load(TrainingArgs(out_dir=Path("o")))
    part = dataset.load(TrainingArgs(out_dir=Path("o"), limit=200))
    assert len(part.train) == 200
    assert set(part.train.labels.tolist()) == set(range(10))
    assert part.digest != whole.digest


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(WorkloadError, match="--batch-size must be at most 20, the number of training samples, got 32"):
        dataset.load(TrainingArgs(out_dir=Path("o"), limit=20))


def test_an_epoch_has_each_sample_once_and_each_epoch_another_order() -> None:
    first, second = (list(chain.from_iterable(labels(batches(), epoch))) for epoch in (0, 1))
    assert len(set(first)) == 48
    assert first != second


def test_pictures_come_with_their_labels() -> None:
    for pictures, chosen in batches().epoch(0):
        assert pictures[:, 0, 0, 0].tolist() == chosen.tolist()


def test_a_resumed_epoch_has_the_remaining_batches() -> None:
    assert labels(batches(), epoch=2, first=4) == labels(batches(), epoch=2)[4:]


def test_two_processes_get_together_the_batches_of_one() -> None:
    alone = labels(batches())
    halves = zip(labels(batches(rank=0, world_size=2)), labels(batches(rank=1, world_size=2)), strict=True)
    assert [one + other for one, other in halves] == alone


def test_the_seed_decides_order_and_augmentation() -> None:
    def pictures(seed: int) -> torch.Tensor:
        return torch.cat([batch for batch, _ in batches(seed=seed, augment=True).epoch(0)])

    assert torch.equal(pictures(3), pictures(3))
    assert not torch.equal(pictures(3), pictures(4))


def test_augmentation_shifts_and_mirrors_without_new_pixel_values() -> None:
    picture = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8)
    shifted = shift_and_mirror(picture.expand(200, 1, 8, 8), torch.Generator().manual_seed(0))
    assert shifted.shape == (200, 1, 8, 8)
    assert shifted.dtype == torch.uint8
    assert len({tuple(one.flatten().tolist()) for one in shifted}) > 50
    # Neighbours in a row differ by one, to the right or, mirrored, to the left.
    steps = shifted[:, 0, :, 1:].int() - shifted[:, 0, :, :-1].int()
    assert set(steps.abs().unique().tolist()) == {1}
    assert 60 < (steps.sum(dim=(1, 2)) < 0).sum() < 140
