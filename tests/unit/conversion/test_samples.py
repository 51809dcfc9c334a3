"""The choice of samples: the trainer's data, a file, or random ones if asked for."""

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.conversion import samples
from workloads.conversion.network import Network
from workloads.conversion.request import Precision, Request
from workloads.conversion.samples import Samples


def network(shape: tuple[int, ...] = (1, 8, 8), dtype: str = "float32") -> Network:
    return Network(module=nn.Identity(), name=None, shape=shape, dtype=np.dtype(dtype), fixed_batch=None)


def from_file(path: Path, *precisions: Precision, shape: tuple[int, ...] = (2,), dtype: str = "float32") -> Samples:
    return samples.choose(Request(source="r", samples=path, precisions=("fp32", *precisions)), network(shape, dtype))


def test_the_validation_set_of_the_input_shape_is_the_default() -> None:
    chosen = samples.choose(Request(source="r"), network())
    assert (chosen.name, chosen.inputs.shape, chosen.inputs.dtype) == ("digits validation", (360, 1, 8, 8), np.float32)
    assert chosen.labels is not None
    assert len(chosen.calibration) == 256
    few = samples.choose(Request(source="r", max_samples=10), network((1, -1, -1)))
    assert (few.inputs == chosen.inputs[:10]).all()
    assert few.digest != chosen.digest


def test_a_shape_without_samples_is_named() -> None:
    with pytest.raises(
        WorkloadError, match=r"no samples of the model's input shape \(3,\): .* --samples FILE"
    ) as error:
        samples.choose(Request(source="r"), network((3,)))
    assert error.value.code == Exit.USAGE


def test_cifar10_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="--data-dir must name the folder"):
        samples.choose(Request(source="r"), network((3, 32, 32)))
    with pytest.raises(WorkloadError, match="contains neither"):
        samples.choose(Request(source="r", data_dir=tmp_path), network((3, 32, 32)))


def test_random_samples_are_used_only_if_asked_for() -> None:
    chosen = samples.choose(Request(source="r", random_samples=5), network((3,)))
    assert (chosen.name, chosen.inputs.shape, chosen.labels) == ("random", (5, 3), None)
    again = samples.choose(Request(source="r", random_samples=5), network((3,)))
    assert again.digest == chosen.digest
    with pytest.raises(WorkloadError, match="takes floats, got int64"):
        samples.choose(Request(source="r", random_samples=5), network((3,), "int64"))
    with pytest.raises(WorkloadError, match="fixed input shape"):
        samples.choose(Request(source="r", random_samples=5), network((-1,)))


def test_a_file_may_have_labels_and_calibration(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    inputs = np.arange(20, dtype=np.uint8).reshape(10, 2)
    np.savez(path, inputs=inputs, labels=np.arange(10), calibration=inputs[:3])
    chosen = from_file(path, "int8")
    assert (chosen.name, chosen.inputs.dtype, len(chosen.inputs), len(chosen.calibration)) == (
        "samples.npz",
        np.float32,
        10,
        3,
    )
    assert chosen.labels is not None
    assert chosen.labels.tolist() == list(range(10))


def test_int8_is_judged_on_samples_that_it_was_not_calibrated_with(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    np.savez(path, inputs=np.arange(16.0).reshape(8, 2), labels=np.arange(8))
    chosen = from_file(path, "int8")
    assert chosen.calibration[:, 0].tolist() == [0, 8]
    assert chosen.labels is not None
    assert chosen.labels.tolist() == [1, 2, 3, 5, 6, 7]
    assert len(from_file(path).inputs) == 8


@pytest.mark.parametrize(
    ("arrays", "dtype", "words"),
    [
        ({"inputs": np.zeros((4, 3))}, "float32", r"no samples of the model's input shape \(2,\): .* \(4, 3\)"),
        ({"inputs": np.zeros((0, 2))}, "float32", "no samples of the model's input shape"),
        ({"inputs": np.float32(1)}, "float32", "no samples of the model's input shape"),
        ({"pictures": np.zeros((4, 2))}, "float32", "must have an array named inputs, .* it has pictures"),
        ({"inputs": np.full((4, 2), np.nan)}, "float32", "must have finite numbers only"),
        ({"inputs": np.zeros((4, 2))}, "int64", "must have int64 numbers, as the model takes, got float64"),
        ({"inputs": np.array([["a", "b"]])}, "float32", "must have float32 numbers"),
        ({"inputs": np.zeros((4, 2)), "labels": np.zeros(3, int)}, "float32", "one whole number per sample"),
        ({"inputs": np.zeros((4, 2)), "labels": np.zeros(4)}, "float32", "one whole number per sample"),
        ({"inputs": np.zeros((3, 2))}, "float32", "at least 4 samples for --int8, got 3"),
        ({"inputs": np.array([[{}, {}]])}, "float32", "is not a .npy or .npz file of numbers"),
    ],
)
def test_a_file_that_does_not_fit_is_named(
    tmp_path: Path, arrays: dict[str, np.ndarray], dtype: str, words: str
) -> None:
    path = tmp_path / "samples.npz"
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    with pytest.raises(WorkloadError, match=words) as error:
        from_file(path, "int8", dtype=dtype)
    assert error.value.code == Exit.USAGE


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no numbers", None])
def test_a_file_that_is_not_of_numpy_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "samples.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WorkloadError, match=r"samples\.npy (can't be read|is not a \.npy or \.npz file)") as error:
        from_file(path)
    assert error.value.code == Exit.USAGE
