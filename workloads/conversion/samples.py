"""The samples on which PyTorch and ONNX are compared: real ones, unless random ones are asked for."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.conversion.network import Network
from workloads.conversion.request import Request
from workloads.training.data import cifar10, digits
from workloads.training.data.split import Split

DIGITS_SHAPE: Final = (1, 8, 8)
CIFAR10_SHAPE: Final = (3, 32, 32)

# Enough for the ranges of activations; onnxruntime keeps the activations of all of them in memory.
_CALIBRATION: Final = 256
_SEED: Final = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """Inputs with a row per sample, their labels if known, and other inputs to calibrate int8 with.

    `digest` is the SHA-256 of all their bytes, in hex.
    """

    name: str
    inputs: np.ndarray
    labels: np.ndarray | None
    calibration: np.ndarray
    digest: str


def choose(request: Request, network: Network) -> Samples:
    """Return the samples that `request` names, in the network's type.

    Raises:
        WorkloadError: A file can't be read, or there are no samples of the model's input shape.
    """
    if request.random_samples is not None:
        return _random(request.random_samples, network)
    if request.samples is not None:
        return _from_file(request.samples, request, network)
    if _fits(DIGITS_SHAPE, network.shape):
        train, validation, _ = digits.load()
        return _of_splits("digits validation", train, validation, request, network)
    if _fits(CIFAR10_SHAPE, network.shape):
        if request.data_dir is None:
            raise WorkloadError(
                "The model takes CIFAR-10's pictures: --data-dir must name the folder with them, or --samples a file.",
                Exit.USAGE,
            )
        train, validation, _ = cifar10.load(request.data_dir)
        return _of_splits("cifar10 test", train, validation, request, network)
    raise WorkloadError(
        f"There are no samples of the model's input shape {network.shape}: digits has {DIGITS_SHAPE} and cifar10 "
        f"{CIFAR10_SHAPE}. Give --samples FILE with some.",
        Exit.USAGE,
    )


def _of_splits(name: str, train: Split, validation: Split, request: Request, network: Network) -> Samples:
    return _samples(
        name,
        validation.pictures.numpy()[: request.max_samples].astype(network.dtype),
        validation.labels.numpy()[: request.max_samples],
        train.pictures.numpy()[:_CALIBRATION].astype(network.dtype),
    )


def _random(count: int, network: Network) -> Samples:
    if network.dtype.kind != "f":
        raise WorkloadError(f"--random-samples needs a model that takes floats, got {network.dtype}.", Exit.USAGE)
    if -1 in network.shape:
        raise WorkloadError(
            f"--random-samples needs a model with a fixed input shape, got {network.shape}.", Exit.USAGE
        )
    numbers = np.random.default_rng(_SEED).standard_normal((2, count, *network.shape)).astype(network.dtype)
    return _samples("random", numbers[0], None, numbers[1][:_CALIBRATION])


def _from_file(path: Path, request: Request, network: Network) -> Samples:
    arrays = _arrays(path)
    inputs = _checked(path, arrays["inputs"], network)
    labels = arrays.get("labels")
    if labels is not None and (labels.shape != (len(inputs),) or labels.dtype.kind not in "iu"):
        raise WorkloadError(
            f"{path} must have one whole number per sample as its labels, got {labels.dtype} of shape {labels.shape} "
            f"for {len(inputs)} samples.",
            Exit.USAGE,
        )
    inputs, labels = inputs[: request.max_samples], None if labels is None else labels[: request.max_samples]
    if "calibration" in arrays:
        calibration = _checked(path, arrays["calibration"], network)[:_CALIBRATION]
    elif "int8" in request.precisions:
        inputs, labels, calibration = _held_out(path, inputs, labels)
    else:
        calibration = inputs[:0]
    return _samples(path.name, inputs, labels, calibration)


def _held_out(
    path: Path, inputs: np.ndarray, labels: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Take every fourth sample for the calibration, so that int8 is judged on samples that it has not seen."""
    every = 4
    if len(inputs) < every:
        raise WorkloadError(f"{path} must have at least {every} samples for --int8, got {len(inputs)}.", Exit.USAGE)
    calibrates = np.arange(len(inputs)) % every == 0
    return inputs[~calibrates], None if labels is None else labels[~calibrates], inputs[calibrates][:_CALIBRATION]


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        loaded: Any = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"inputs": loaded}
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise WorkloadError(f"{path} can't be read: {error.strerror or error}.", Exit.USAGE) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise WorkloadError(
            f"{path} is not a .npy or .npz file of numbers: {str(error).splitlines()[0]}", Exit.USAGE
        ) from error
    if "inputs" not in arrays:
        raise WorkloadError(
            f"{path} must have an array named inputs, and may have labels and calibration; it has "
            f"{', '.join(arrays) or 'none'}.",
            Exit.USAGE,
        )
    return arrays


def _checked(path: Path, array: np.ndarray, network: Network) -> np.ndarray:
    if array.ndim == 0 or not _fits(array.shape[1:], network.shape) or len(array) == 0:
        raise WorkloadError(
            f"{path} has no samples of the model's input shape {network.shape}: its array has the shape {array.shape}.",
            Exit.USAGE,
        )
    if array.dtype.kind not in "fiub" or (array.dtype.kind == "f" and network.dtype.kind != "f"):
        raise WorkloadError(
            f"{path} must have {network.dtype} numbers, as the model takes, got {array.dtype}.", Exit.USAGE
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise WorkloadError(f"{path} must have finite numbers only.", Exit.USAGE)
    return array.astype(network.dtype)


def _fits(shape: tuple[int, ...], pattern: tuple[int, ...]) -> bool:
    """Return whether a sample's shape matches the model's, in which -1 allows any size."""
    return len(shape) == len(pattern) and all(
        allowed in (-1, size) for size, allowed in zip(shape, pattern, strict=True)
    )


def _samples(name: str, inputs: np.ndarray, labels: np.ndarray | None, calibration: np.ndarray) -> Samples:
    hashed = hashlib.sha256()
    for array in (inputs, labels, calibration):
        if array is not None:
            hashed.update(f"{array.dtype} {array.shape}".encode())
            hashed.update(np.ascontiguousarray(array).data)
    return Samples(name=name, inputs=inputs, labels=labels, calibration=calibration, digest=hashed.hexdigest())
