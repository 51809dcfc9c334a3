"""The baseline of a model: the bins of its training's inputs, in one small file of the model directory.

The file is signed with the model. It holds quantiles, the smallest and the largest number of each column, and the most
frequent values of categories; a training whose inputs must not be seen in that detail switches it off.
"""

import hashlib
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from workloads.serving.watching import columns
from workloads.serving.watching.columns import Column
from workloads.serving.watching.feature import LONGEST_NAME, Count, Counts, Feature, Section, features_of

BASELINE_FILE: Final = "baseline.json"

# Samples that a baseline is made of, evenly spaced over the training's; more would not make the bins' shares much
# more exact.
MOST_SAMPLES: Final = 20_000
_MOST_FEATURES: Final = 100
# In bytes; the most features with the most values have some 600 kB.
_LARGEST: Final = 4 << 20


class Baseline(Section):
    """The features of the inputs. `left_out` is the number of features for which there was no place."""

    format: Literal["aegis.baseline/1"] = "aegis.baseline/1"
    samples: Count
    features: Annotated[tuple[Feature, ...], Field(max_length=_MOST_FEATURES)]
    left_out: Count = 0

    @classmethod
    def of(cls, inputs: object, *, texts: Collection[str] = ()) -> Self:
        """Return the baseline of a training's inputs, in any form that a model takes.

        `texts` are the columns that hold free text, also if the texts repeat.
        """
        found = columns.columns_of(columns.pick(inputs, MOST_SAMPLES))
        by_name = {
            feature.name: feature
            for name, values in found.items()
            for feature in features_of(name[:LONGEST_NAME] or "0", values, is_text=name in texts)
        }
        features = list(by_name.values())
        return cls(
            samples=max(map(len, found.values()), default=0),
            features=tuple(features[:_MOST_FEATURES]),
            left_out=max(0, len(features) - _MOST_FEATURES),
        )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({feature.name for feature in self.features}) != len(self.features):
            raise ValueError("two features must not have the same name")
        return self

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Return the baseline in the bytes of a file.

        Raises:
            ValueError: They aren't a baseline of this format; the text is one line and gives the first reason.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the baseline in the file.

        Raises:
            OSError: It can't be read.
            ValueError: It isn't a baseline of this format, or larger than any is.
        """
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST >> 20} MiB")
        return cls.parse(content)

    def write(self, path: Path) -> None:
        """Write the file; equal baselines give equal bytes."""
        path.write_bytes(self.content)

    @cached_property
    def content(self) -> bytes:
        """The bytes of the file."""
        return self.model_dump_json(indent=1).encode() + b"\n"

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the file, in hex: counts may be added only if their baselines have the same."""
        return hashlib.sha256(self.content).hexdigest()

    def count(self, inputs: object) -> tuple[int, list[Counts]]:
        """Return the number of samples in `inputs`, and for each feature how many of them are in each bin.

        A column that the inputs don't have is missing in every sample.
        """
        found = self._matched(columns.columns_of(inputs))
        rows = max(map(len, found.values()), default=0)
        absent = np.full(rows, None, dtype=object)
        return rows, [feature.count(found.get(feature.column, absent)) for feature in self.features]

    def _matched(self, inputs: Mapping[str, Column]) -> Mapping[str, Column]:
        """Return the columns of inputs under the names of the baseline: a single column may have any name."""
        names = {feature.column for feature in self.features}
        if len(names) == 1 and len(inputs) == 1:
            return dict(zip(names, inputs.values(), strict=True))
        return inputs
