"""A feature of the inputs: its bins, and the training's count in each."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from workloads.serving.watching.columns import Column, numbers_of

# In characters: the longest name of a column.
LONGEST_NAME: Final = 500

# Of the features that are a number; ten is usual for the population stability index.
_BINS: Final = 10
# The most frequent values of a category that are counted each for itself, and the longest one, in characters.
_MOST_VALUES: Final = 50
_LONGEST_VALUE: Final = 100
# The most frequent characters of a text that are known.
_MOST_CHARACTERS: Final = 256
# In characters: the start of a text that is measured, apart from its length.
_START: Final = 2000
# Relative to a value: half the digits of a float32, which clients may send in place of a float64.
_SLACK: Final = 1e-6
_SMALLEST_SLACK: Final = 1e-12
_LIMITS: Final = np.finfo(np.float64)

Count = Annotated[int, Field(ge=0, le=2**53)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Counts = np.ndarray[Any, np.dtype[np.int64]]


class Section(BaseModel):
    """The base of what is read from a file or another server: strict types, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class _Binned(Section):
    """A column, and the training's count in each bin of its values; the last bin is for missing values."""

    column: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    counts: Annotated[tuple[Count, ...], Field(max_length=1000)]

    @property
    @abstractmethod
    def name(self) -> str:
        """The name in reports and metrics."""

    @property
    @abstractmethod
    def labels(self) -> list[str]:
        """The names of the bins."""

    @abstractmethod
    def bins(self, values: Column) -> np.ndarray[Any, Any]:
        """Return the number of each value's bin."""

    def count(self, values: Column) -> Counts:
        """Return the number of values in each bin."""
        return np.bincount(self.bins(values), minlength=len(self.counts)).astype(np.int64)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len(self.counts) != len(self.labels):
            raise ValueError(f"{self.name} must have {len(self.labels)} counts, got {len(self.counts)}")
        return self


class Number(_Binned):
    """A number, or a measure of a text: its length, or the share of its letters or of the characters in `alphabet`.

    A bin reaches from an edge, without it, to the next one, with it; the first and last are open.
    """

    kind: Literal["number"] = "number"
    measure: Literal["value", "length", "letters", "known"] = "value"
    edges: Annotated[tuple[Finite, ...], Field(max_length=100)]
    alphabet: Annotated[str, Field(max_length=_MOST_CHARACTERS)] = ""

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"the edges of {self.name} must increase")
        return self

    @property
    def name(self) -> str:
        """The column, with the measure of a text."""
        return self.column if self.measure == "value" else f"{self.column}: {self.measure}"

    @property
    def labels(self) -> list[str]:
        """The upper edge of each bin."""
        if not self.edges:
            return ["any", "missing"]
        return [*(f"up to {edge:.4g}" for edge in self.edges), f"above {self.edges[-1]:.4g}", "missing"]

    def bins(self, values: Column) -> np.ndarray[Any, Any]:
        """Return the number of each value's bin; what isn't a number is missing."""
        numbers = self._numbers(values)
        return np.where(np.isnan(numbers), len(self.edges) + 1, np.searchsorted(self.edges, numbers))

    def _numbers(self, values: Column) -> np.ndarray[Any, Any]:
        if self.measure != "value":
            return _measured(self.measure, values, self.alphabet)
        if values.dtype == object:
            return numbers_of(values)
        return values


class Category(_Binned):
    """A text with few values: the most frequent ones, the others together, and the missing ones."""

    kind: Literal["category"] = "category"
    values: Annotated[tuple[Annotated[str, Field(max_length=_LONGEST_VALUE)], ...], Field(max_length=_MOST_VALUES)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.values)) != len(self.values):
            raise ValueError(f"the values of {self.column} must differ")
        return self

    @property
    def name(self) -> str:
        """The column."""
        return self.column

    @property
    def labels(self) -> list[str]:
        """The values."""
        return [*self.values, "others", "missing"]

    def bins(self, values: Column) -> np.ndarray[Any, Any]:
        """Return the number of each value's bin."""
        numbers: dict[str | None, int] = {value: number for number, value in enumerate(self.values)}
        others, missing = len(self.values), len(self.values) + 1
        texts = values if values.dtype == object else [None if np.isnan(value) else str(value) for value in values]
        return np.array([missing if text is None else numbers.get(text, others) for text in texts], dtype=np.intp)


Feature = Annotated[Number | Category, Field(discriminator="kind")]


def features_of(column: str, values: Column, *, is_text: bool = False) -> list[Number | Category]:
    """Return the features of a column with the bins that suit its values.

    A column of texts is a category if its values repeat, unless `is_text` says otherwise.
    """
    if values.dtype != object:
        return [_number(column, "value", values, values)]
    texts = [value for value in values if value is not None]
    if not is_text and _repeat(texts):
        return [_category(column, values, texts)]
    frequent = Counter("".join(text[:_START] for text in texts)).most_common(_MOST_CHARACTERS)
    alphabet = "".join(each for each, _ in frequent if _is_writable(each))
    return [
        _number(column, measure, values, _measured(measure, values, alphabet), alphabet if measure == "known" else "")
        for measure in ("length", "letters", "known")
    ]


def _number(
    column: str,
    measure: Literal["value", "length", "letters", "known"],
    values: Column,
    numbers: np.ndarray[Any, Any],
    alphabet: str = "",
) -> Number:
    edges = _edges(numbers[np.isfinite(numbers)])
    unfilled = Number(column=column, measure=measure, edges=edges, alphabet=alphabet, counts=(0,) * (len(edges) + 2))
    return unfilled.model_copy(update={"counts": tuple(unfilled.count(values).tolist())})


def _edges(numbers: np.ndarray[Any, Any]) -> tuple[float, ...]:
    """Return edges between which the numbers are even, and one below the smallest, so that a constant has a bin."""
    if not numbers.size:
        return ()
    quantiles = np.quantile(numbers, np.linspace(0, 1, _BINS + 1), method="inverted_cdf")
    slack = np.abs(quantiles) * _SLACK + _SMALLEST_SLACK
    edges = np.unique(np.concatenate([quantiles[:1] - slack[:1], quantiles[1:] + slack[1:]]))
    return tuple(np.clip(edges, _LIMITS.min, _LIMITS.max).tolist())


def _category(column: str, values: Column, texts: Sequence[str]) -> Category:
    frequent = tuple(value for value, _ in Counter(texts).most_common(_MOST_VALUES) if _is_writable(value))
    unfilled = Category(column=column, values=frequent, counts=(0,) * (len(frequent) + 2))
    return unfilled.model_copy(update={"counts": tuple(unfilled.count(values).tolist())})


def _repeat(texts: Sequence[str]) -> bool:
    distinct = set(texts)
    return 2 * len(distinct) <= len(texts) and all(len(text) <= _LONGEST_VALUE for text in distinct)


def _measured(measure: str, values: Column, alphabet: str) -> np.ndarray[Any, Any]:
    known = frozenset(alphabet)

    def of(text: str) -> float:
        start = text[:_START]
        if measure == "length":
            return len(text)
        if not start:
            return np.nan
        held = sum(map(str.isalpha, start)) if measure == "letters" else sum(each in known for each in start)
        return held / len(start)

    return np.array([np.nan if value is None else of(str(value)) for value in values], dtype=np.float64)


def _is_writable(text: str) -> bool:
    """Return whether UTF-8 can hold the text: half of a surrogate pair, which JSON can carry, is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
