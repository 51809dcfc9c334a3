"""A contestant: the candidate or the champion, whose files are verified before its code runs."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pandas as pd
from mlflow import pyfunc
from mlflow.entities.model_registry import ModelVersion
from mlflow.types.schema import ColSpec, DataType, Schema, TensorSpec
from numpy.typing import NDArray

from aegis.keys import PublicKey
from aegis.registry import Reference
from aegis.version import VerifiedVersion
from workloads import messages
from workloads.mlflow_client import Tracking
from workloads.registry.policy import scores
from workloads.registry.policy.evaluation_set import EvaluationSet
from workloads.registry.policy.scores import PredictionError
from workloads.signing import registered
from workloads.signing.verification import Demand

Inputs = NDArray[Any] | pd.DataFrame
_NUMBERS: Final = (DataType.integer, DataType.long, DataType.float, DataType.double)


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A version in the judgement; its files are fetched to the new folder `folder`."""

    role: str
    version: ModelVersion
    tracking: Tracking
    keys: Sequence[PublicKey]
    folder: Path

    @cached_property
    def verified(self) -> VerifiedVersion:
        """The version, fetched and verified byte by byte.

        Raises:
            NotVerifiedError: It isn't signed by a trusted key, or its files aren't those that were signed.
            WorkloadError: MLflow or its artifact store is dead.
        """
        return self._verify(extract_to=self.folder)

    @cached_property
    def listed(self) -> VerifiedVersion:
        """The version, verified without fetching its files; raises as `verified` does."""
        return self._verify()

    @cached_property
    def model(self) -> pyfunc.PyFuncModel:
        """The loaded model.

        Raises:
            PredictionError: It can't be loaded here.
            NotVerifiedError, WorkloadError: As for `verified`.
        """
        _ = self.verified
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        with self._own_failures("it can't be loaded"):
            return pyfunc.load_model(str(self.folder))

    def predict(self, inputs: Inputs) -> object:
        """Return the model's answer for `inputs`, prepared by `prepared`; raises as `model` does."""
        model = self.model
        with self._own_failures("its prediction fails"):
            return model.predict(inputs)

    def prepared(self, inputs: Inputs) -> Inputs:
        """Return `inputs` with the number types of the model's signature, which MLflow checks strictly."""
        schema = self.model.metadata.get_input_schema()
        with self._own_failures("the evaluation set doesn't fit its signature"):
            return inputs if schema is None else _typed(inputs, schema)

    def predictions(self, data: EvaluationSet, batch_size: int) -> NDArray[Any]:
        """Return the predictions for the evaluation set, a row per sample.

        Raises:
            PredictionError: Their number is wrong, or they are not finite; or as `model`.
        """
        inputs = self.prepared(data.inputs)
        batches = [
            scores.as_array(self.predict(rows(inputs, slice(start, start + batch_size))))
            for start in range(0, len(data), batch_size)
        ]
        with self._own_failures("its batches have different shapes"):
            return scores.check(np.concatenate(batches), len(data))

    def _verify(self, extract_to: Path | None = None) -> VerifiedVersion:
        reference = Reference(name=self.version.name, version=str(self.version.version))
        return registered.verify(reference, self.keys, self.tracking, demand=Demand(), extract_to=extract_to)

    @contextlib.contextmanager
    def _own_failures(self, failure: str) -> Iterator[None]:
        """Turn any error of the model's own code, which may raise whatever it likes, into a `PredictionError`."""
        try:
            yield
        except PredictionError:
            raise
        except Exception as error:
            raise PredictionError(f"{failure}: {messages.plain(str(error)) or type(error).__name__}") from error


def rows(inputs: Inputs, chosen: slice | NDArray[np.int64]) -> Inputs:
    """Return the chosen rows."""
    return inputs.iloc[chosen] if isinstance(inputs, pd.DataFrame) else inputs[chosen]


def _typed(inputs: Inputs, schema: Schema) -> Inputs:
    if isinstance(inputs, np.ndarray):
        first = schema.inputs[0]
        is_tensor = len(schema.inputs) == 1 and isinstance(first, TensorSpec)
        return inputs.astype(np.dtype(cast("Any", first.type))) if is_tensor else inputs
    types: dict[str, Any] = {
        str(spec.name): spec.type.to_numpy()
        for spec in schema.inputs
        if isinstance(spec, ColSpec) and spec.type in _NUMBERS and spec.name in inputs.columns
    }
    return inputs.astype(types)
