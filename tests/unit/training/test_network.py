"""The network, its learning rate and its dtype, and the shares of the processes."""

from pathlib import Path

import pytest
import torch

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training.args import TrainingArgs
from workloads.training.data import dataset
from workloads.training.engine import choose_dtype, configuration
from workloads.training.loop import learning_rate
from workloads.training.network import ResidualNetwork, network_for
from workloads.training.processes import require_divisible

CPU = torch.device("cpu")


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 32)])
def test_it_classifies_pictures_of_both_sizes(channels: int, side: int) -> None:
    network = ResidualNetwork(
        channels=channels, side=side, classes=10, width=4, mean=torch.zeros(channels), std=torch.ones(channels)
    )
    assert network(torch.rand(2, channels, side, side)).shape == (2, 10)


def test_it_takes_plain_pixel_values_and_normalises_them_itself() -> None:
    data = dataset.load(TrainingArgs(out_dir=Path("o")))
    network = network_for(data, TrainingArgs(out_dir=Path("o")))
    normalised = (data.train.pictures.float() - network.mean) / network.std
    assert abs(normalised.mean()) < 0.01
    assert abs(normalised.std() - 1) < 0.01


def test_the_seed_decides_the_first_weights() -> None:
    data = dataset.load(TrainingArgs(out_dir=Path("o")))
    one, same, other = (network_for(data, TrainingArgs(out_dir=Path("o"), seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(one.classify.weight, same.classify.weight)
    assert not torch.equal(one.classify.weight, other.classify.weight)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_almost_nothing() -> None:
    rates = [learning_rate(step, 100, 0.01) for step in range(100)]
    peak = rates.index(max(rates))
    assert 20 <= peak <= 30
    assert 0.0095 < rates[peak] <= 0.01
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[-1] < 0.0005


def test_half_precision_on_a_cpu_is_refused() -> None:
    with pytest.raises(WorkloadError, match="fp16 needs a GPU") as refusal:
        choose_dtype("fp16", CPU)
    assert refusal.value.code == Exit.USAGE


def test_a_cpu_gets_a_dtype_that_it_can_compute_with() -> None:
    assert choose_dtype("auto", CPU) in {"fp32", "bf16"}
    assert choose_dtype("bf16", CPU) == "bf16"


def test_the_processes_share_each_batch_equally() -> None:
    config = configuration(TrainingArgs(out_dir=Path("o"), batch_size=48), 4, "fp32")
    assert config["train_batch_size"] == 48
    assert config["train_micro_batch_size_per_gpu"] == 12
    assert config["torch_autocast"]["enabled"] is False


@pytest.mark.parametrize(("batch_size", "world_size"), [(32, 3), (2, 2)])
def test_a_batch_that_cannot_be_shared_equally_is_refused(batch_size: int, world_size: int) -> None:
    with pytest.raises(WorkloadError, match=f"--batch-size {batch_size} can't be shared by {world_size} processes"):
        require_divisible(batch_size, world_size)
