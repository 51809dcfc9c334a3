"""The evaluation set of a policy: samples, right answers, and a digest of its content."""

import hashlib
import re
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from mlflow import artifacts
from numpy.typing import NDArray

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry.policy.file import Policy
from workloads.registry.policy.schema import Evaluation

LABEL: Final = "label"
_INPUTS: Final = "x"
_TARGET: Final = "y"
_ADDRESS: Final = re.compile(r"(runs|mlflow-artifacts):/.+")
_CIFAR10: Final = "cifar10:"
_DIGITS: Final = "digits"
_SUFFIXES: Final = (".npz", ".csv", ".parquet")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSet:
    """Samples and their right answers, a row each; `columns` are the values by which the set can be sliced.

    `digest` is the SHA-256 in hex: of the file, or of the arrays of a data set that isn't one file.
    """

    name: str
    inputs: NDArray[Any] | pd.DataFrame
    target: NDArray[Any]
    columns: Mapping[str, NDArray[Any]]
    digest: str

    def __len__(self) -> int:
        return len(self.target)

    def to_json(self) -> dict[str, Any]:
        """Return its name, size and digest for the report."""
        return {"data": self.name, "samples": len(self), "sha256": self.digest}


def load(policy: Policy, evaluation: Evaluation, tracking: Tracking) -> EvaluationSet:
    """Return the evaluation set; the path of a local file is relative to the policy's folder.

    Raises:
        WorkloadError: It can't be read, or isn't what the policy says (`Exit.USAGE`), or MLflow or the artifact store
            is dead.
    """
    found = _find(policy, evaluation, tracking)
    if evaluation.sha256 is not None and evaluation.sha256 != found.digest:
        raise WorkloadError(
            f"evaluation.sha256 must be the SHA-256 of {evaluation.data}, {found.digest}, got {evaluation.sha256}.",
            Exit.USAGE,
        )
    return found


def _find(policy: Policy, evaluation: Evaluation, tracking: Tracking) -> EvaluationSet:
    data = evaluation.data
    if data == _DIGITS or data.startswith(_CIFAR10):
        return _pictures(data, policy.folder)
    if _ADDRESS.fullmatch(data):
        with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
            _require_suffix(data, Path(data))
            path = tracking.store(
                lambda: artifacts.download_artifacts(artifact_uri=data, dst_path=folder, tracking_uri=tracking.uri),
                data,
            )
            return _from_file(Path(path), policy, evaluation)
    path = policy.folder / data
    _require_suffix(data, path)
    return _from_file(path, policy, evaluation)


def _require_suffix(data: str, path: Path) -> None:
    if path.suffix not in _SUFFIXES:
        raise WorkloadError(
            f"evaluation.data must be digits, cifar10:FOLDER, or a file that ends in {', '.join(_SUFFIXES)}, got "
            f"{data!r}.",
            Exit.USAGE,
        )


def _pictures(data: str, folder: Path) -> EvaluationSet:
    """Return the validation split of the trainer, preprocessed as for its network."""
    # PyTorch takes seconds to import, and other evaluation sets don't need it.
    from workloads.training.data import cifar10, digits  # noqa: PLC0415
    from workloads.training.data.batches import as_input  # noqa: PLC0415

    _, split, _ = digits.load() if data == _DIGITS else cifar10.load(folder / data.removeprefix(_CIFAR10))
    pictures, labels = split.pictures.numpy(), split.labels.numpy()
    hashed = hashlib.sha256()
    for array in (pictures, labels):
        hashed.update(f"{array.dtype} {array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).data)
    return EvaluationSet(
        name=data,
        inputs=np.ascontiguousarray(as_input(split.pictures).numpy()),
        target=labels,
        columns={},
        digest=hashed.hexdigest(),
    )


def _from_file(path: Path, policy: Policy, evaluation: Evaluation) -> EvaluationSet:
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if path.suffix == ".npz":
            inputs, target, columns = _arrays(path)
        else:
            inputs, target, columns = _table(path, policy, evaluation)
    except OSError as error:
        raise WorkloadError(f"{evaluation.data} can't be read: {error.strerror or error}.", Exit.USAGE) from error
    # pandas and PyArrow raise subclasses of ValueError.
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = error.args[0] if isinstance(error, KeyError) else error
        raise WorkloadError(f"{evaluation.data} is not an evaluation set: {reason}", Exit.USAGE) from error
    return EvaluationSet(name=evaluation.data, inputs=inputs, target=target, columns=columns, digest=digest)


def _arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any], dict[str, NDArray[Any]]]:
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if missing := [name for name in (_INPUTS, _TARGET) if name not in arrays]:
        raise KeyError(f"it has no array {missing[0]}; it has {', '.join(arrays) or 'none'}.")
    inputs, target = arrays.pop(_INPUTS), arrays.pop(_TARGET)
    if not inputs.ndim or not target.ndim or len(inputs) != len(target) or not len(target):
        raise ValueError(f"x and y must have one row per sample, got the shapes {inputs.shape} and {target.shape}.")
    return inputs, target, {name: array for name, array in arrays.items() if array.shape == (len(target),)}


def _table(
    path: Path, policy: Policy, evaluation: Evaluation
) -> tuple[pd.DataFrame, NDArray[Any], dict[str, NDArray[Any]]]:
    table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    slices = policy.content.rules.slices
    sliced = [slices.by] if slices is not None and slices.by != LABEL else []
    features = evaluation.features or [name for name in table.columns if name not in (evaluation.target, *sliced)]
    if missing := [name for name in (evaluation.target, *features, *sliced) if name not in table.columns]:
        raise KeyError(f"it has no column {missing[0]}; it has {', '.join(map(str, table.columns)) or 'none'}.")
    if not features or not len(table):
        raise ValueError("it must have a row, and a column besides the target and the slices.")
    if evaluation.target in features:
        raise ValueError(f"the target {evaluation.target} must not be one of the features.")
    if bool(pd.isna(table[evaluation.target].to_numpy()).any()):
        raise ValueError(f"the column {evaluation.target} must have a value in each row.")
    return (
        table.loc[:, features],
        table[evaluation.target].to_numpy(),
        {name: table[name].to_numpy() for name in sliced},
    )
