"""The settings of a policy file. A field's description says what is allowed, and the error messages quote it."""

import math
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

VERSION: Final = 1

Score = Literal["accuracy", "log_loss", "absolute_error", "squared_error"]
Precision = Literal["fp32", "fp16", "int8"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_SCORES: Final = "accuracy, log_loss, absolute_error or squared_error"
_CONFIDENCE: Final = "a number from 0.8 to 0.9999"


def least_resamples(confidence: float) -> int:
    """Return the number of resamples of which 10 lie beyond the confidence bound."""
    return math.ceil(round(10 / (1 - confidence), 6))


def _is_unlimited(limits: BaseModel) -> bool:
    return all(value is None for value in limits.model_dump().values())


class Section(BaseModel):
    """The base of all sections: strict types, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", validate_default=True)


class Threshold(Section):
    """The limits of a metric of the candidate's run."""

    min: float | None = Field(default=None, allow_inf_nan=False, description="a finite number")
    max: float | None = Field(default=None, allow_inf_nan=False, description="a finite number")

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if _is_unlimited(self):
            raise ValueError("min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("a min up to max")
        return self


class Evaluation(Section):
    """The evaluation set, and the score of each sample."""

    data: str = Field(
        min_length=1,
        description="digits, cifar10:FOLDER, a .npz, .csv or .parquet file, or the address of one, such as "
        "runs:/ID/eval.npz or mlflow-artifacts:/eval.parquet",
    )
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="the SHA-256 of the evaluation set: 64 hex digits"
    )
    target: str = Field(default="target", min_length=1, description="the name of a column of a .csv or .parquet file")
    features: list[str] | None = Field(
        default=None,
        min_length=1,
        description="a list of columns of a .csv or .parquet file; default: all but the target and the slices",
    )
    score: Score = Field(default="accuracy", description=_SCORES)
    batch_size: int = Field(
        default=256, ge=1, le=65536, description="the samples of one prediction, an integer from 1 to 65536"
    )
    resamples: int = Field(
        default=10_000, ge=1000, le=1_000_000, description="the bootstrap's resamples, an integer from 1000 to 1000000"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="an integer of 0 or more")


class Comparison(Section):
    """The comparison of the candidate with the champion; all limits are in units of the score."""

    confidence: float = Field(default=0.95, ge=0.8, le=0.9999, description=_CONFIDENCE)
    min_improvement: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="a number of 0 or more, without max_regression; default: 0, strictly better",
    )
    max_regression: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="a number above 0, without min_improvement"
    )
    min_samples: int = Field(default=50, ge=10, description="an integer of 10 or more")
    require_champion: bool = Field(default=False, description="true or false")

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.min_improvement is not None and self.max_regression is not None:
            raise ValueError("min_improvement or max_regression, not both")
        return self

    @property
    def margin(self) -> float:
        """The gain that the lower confidence bound must exceed."""
        return self.min_improvement or 0.0 if self.max_regression is None else -self.max_regression


class Slices(Section):
    """The comparison on each slice of the evaluation set."""

    by: str = Field(
        default="label",
        min_length=1,
        description="label (the right answer), or the name of a column or an array of the evaluation set",
    )
    max_regression: float = Field(ge=0, allow_inf_nan=False, description="a number of 0 or more, in units of the score")
    min_samples: int = Field(default=30, ge=10, description="an integer of 10 or more")
    confidence: float = Field(default=0.95, ge=0.8, le=0.9999, description=_CONFIDENCE)


class LatencyLimits(Section):
    """The limits of one kind of prediction: milliseconds, and ratios to the champion's."""

    median_ms: Positive | None = Field(default=None, description="a number above 0, in milliseconds")
    p95_ms: Positive | None = Field(default=None, description="a number above 0, in milliseconds")
    median_ratio: Positive | None = Field(default=None, description="a number above 0, such as 1.2")
    p95_ratio: Positive | None = Field(default=None, description="a number above 0, such as 1.2")

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if _is_unlimited(self):
            raise ValueError("at least one of median_ms, p95_ms, median_ratio, p95_ratio")
        return self


class Latency(Section):
    """The latency of predictions, of candidate and champion side by side."""

    repeats: int = Field(
        default=50, ge=20, le=10_000, description="the timed predictions of each kind, an integer from 20 to 10000"
    )
    batch_size: int = Field(
        default=64, ge=2, le=65536, description="the samples of a batch, an integer from 2 to 65536"
    )
    single: LatencyLimits | None = Field(default=None, description="an object: the limits of one sample's prediction")
    batch: LatencyLimits | None = Field(default=None, description="an object: the limits of a batch's prediction")

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.single is None and self.batch is None:
            raise ValueError("single, batch or both")
        return self


class Size(Section):
    """The size of the model's files."""

    max_bytes: int | None = Field(default=None, ge=1, description="an integer of 1 or more")
    max_ratio: Positive | None = Field(
        default=None, description="a number above 0: the size divided by the champion's, such as 1.5"
    )

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if _is_unlimited(self):
            raise ValueError("max_bytes, max_ratio or both")
        return self


class OnnxParity(Section):
    """The agreement of the candidate's ONNX conversion with PyTorch."""

    precision: Precision = Field(default="fp32", description="fp32, fp16 or int8")
    max_difference: Positive | None = Field(
        default=None, description="a number above 0: the largest absolute difference of an output"
    )
    min_agreement: Share | None = Field(
        default=None, description="a number from 0 to 1: the share of samples with the same class"
    )

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.max_difference is None and self.min_agreement is None:
            raise ValueError("max_difference, min_agreement or both")
        return self


def _distinct(names: list[str]) -> list[str]:
    if len({name.strip() for name in names if name.strip()}) != len(names):
        raise ValueError("names must differ and not be empty")
    return names


class Approvals(Section):
    """The people who must approve."""

    at_least: int = Field(default=1, ge=1, description="an integer from 1 to the number of names in `of`")
    of: Annotated[list[str], AfterValidator(_distinct)] = Field(
        min_length=1, description="a list of different names, such as [ada, grace]"
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.at_least > len(self.of):
            raise ValueError(f"at_least from 1 to {len(self.of)}, the number of names")
        return self


class Rules(Section):
    """The rules; the signature is always checked."""

    thresholds: dict[str, Threshold] | None = Field(
        default=None, min_length=1, description="an object of metrics, such as val/accuracy: {min: 0.9}"
    )
    comparison: Comparison | None = Field(default=None, description="an object")
    slices: Slices | None = Field(default=None, description="an object")
    latency: Latency | None = Field(default=None, description="an object")
    size: Size | None = Field(default=None, description="an object")
    onnx_parity: OnnxParity | None = Field(default=None, description="an object")
    approvals: Approvals | None = Field(default=None, description="an object")

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError(f"at least one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def evaluated(self) -> tuple[str, ...]:
        """The names of the rules that need predictions on the evaluation set."""
        return tuple(name for name in ("comparison", "slices", "latency") if getattr(self, name) is not None)


class PolicyFile(Section):
    """A policy file."""

    version: Literal[1] = Field(description=f"{VERSION}, the version of this schema")
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        pattern="^[A-Za-z0-9][-A-Za-z0-9 _./]*$",
        description="1 to 100 letters, digits, spaces and _-./; default: the file's name",
    )
    evaluation: Evaluation | None = Field(
        default=None, description="an object, required by the rules comparison, slices and latency"
    )
    rules: Rules = Field(description="an object of at least one rule")

    @model_validator(mode="after")
    def _evaluation_fits(self) -> Self:
        needing = ", ".join(self.rules.evaluated)
        if needing and self.evaluation is None:
            raise ValueError(f"evaluation, which {needing} needs")
        if not needing and self.evaluation is not None:
            raise ValueError("evaluation only with the rule comparison, slices or latency")
        if self.evaluation is not None and self.rules.comparison is not None:
            least = least_resamples(self.rules.comparison.confidence)
            if self.evaluation.resamples < least:
                raise ValueError(f"evaluation.resamples of at least {least} with this comparison.confidence")
        return self
