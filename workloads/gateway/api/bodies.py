"""The bodies of requests. Fields that the gateway doesn't know are ignored, as MLflow does."""

import math
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue, Strict, model_validator

from workloads.gateway.api import forms
from workloads.gateway.experiments import EndStatus
from workloads.gateway.metric_batches import MOST_METRICS, Metric
from workloads.gateway.models import Registration, Stage
from workloads.serving import wanted as wants

_MOST_PARAMETERS = 1000
_GIVEN: JsonValue = {"not": {"type": "null"}}
# Either a version or an alias may be set, not both.
_ONE_CHOICE: Mapping[str, JsonValue] = {
    "not": {"required": ["version", "alias"], "properties": {"version": _GIVEN, "alias": _GIVEN}}
}
_CANARY = wants.Canary()
_LARGEST = 1.7976931348623157e308
_NotFinite = Literal["NaN", "Infinity", "-Infinity"]
_Value = Annotated[float, Strict(), Field(ge=-_LARGEST, le=_LARGEST)] | _NotFinite


def _example(rule: Mapping[str, JsonValue] | None = None, /, **fields: JsonValue) -> ConfigDict:
    """Return a body's example, and a rule of JSON Schema that pydantic doesn't write."""
    return ConfigDict(json_schema_extra={"examples": [fields], **(rule or {})}, protected_namespaces=())


class NewExperiment(BaseModel):
    """An experiment to create."""

    model_config = _example(name="digits", description="Handwritten digits", tags={"team": "vision"})

    name: forms.Name
    description: forms.Description | None = None
    tags: forms.Tags | None = None


class NewRun(BaseModel):
    """A run to start."""

    model_config = _example(run_name="baseline", tags={"purpose": "first try"})

    run_name: forms.Name | None = None
    description: forms.Description | None = None
    tags: forms.Tags | None = None


class End(BaseModel):
    """How a run ended."""

    model_config = _example(status="FINISHED")

    status: EndStatus = "FINISHED"


class Param(BaseModel):
    """A parameter as MLflow's API has it."""

    key: forms.Key
    value: forms.ParamValue


class Params(BaseModel):
    """Parameters of a run: an object, or MLflow's list of keys and values."""

    model_config = _example(params={"lr": 0.01, "optimizer": "adam"})

    params: (
        Annotated[dict[forms.Key, forms.ParamValue], forms.keyed(_MOST_PARAMETERS)]
        | Annotated[list[Param], Field(max_length=_MOST_PARAMETERS)]
    )

    def to_dict(self) -> dict[str, str]:
        """Return keys and values."""
        if isinstance(self.params, dict):
            return self.params
        return {each.key: each.value for each in self.params}


class MetricEntry(BaseModel):
    """A metric as MLflow's API has it."""

    key: forms.Key
    value: _Value
    timestamp: forms.Milliseconds | None = None
    step: forms.Step | None = None


class Metrics(BaseModel):
    """Metrics of a run: an object with one `step` and `timestamp` (in ms, now by default), or MLflow's list."""

    model_config = _example(metrics={"loss": 0.25, "accuracy": 0.91}, step=3)

    metrics: (
        Annotated[dict[forms.Key, _Value], forms.keyed(MOST_METRICS)]
        | Annotated[list[MetricEntry], Field(max_length=MOST_METRICS)]
    )
    step: forms.Step | None = None
    timestamp: forms.Milliseconds | None = None

    def to_list(self) -> list[Metric]:
        """Return the metrics with their times and steps."""
        now = self.timestamp if self.timestamp is not None else int(time.time() * 1000)
        step = self.step or 0
        if isinstance(self.metrics, dict):
            return [
                Metric(key=key, value=_finite(value), timestamp=now, step=step) for key, value in self.metrics.items()
            ]
        return [
            Metric(
                key=each.key,
                value=_finite(each.value),
                timestamp=now if each.timestamp is None else each.timestamp,
                step=step if each.step is None else each.step,
            )
            for each in self.metrics
        ]


def _finite(value: float | str) -> float | str:
    """Return a value that JSON has. Python's parser also allows NaN and Infinity, which are texts in MLflow's API."""
    if isinstance(value, str) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


class NewModel(BaseModel):
    """A model to register; with a `source`, also its first or next version."""

    model_config = _example(name="digits", description="Recognises digits", tags={"team": "vision"})

    name: forms.ModelName = Field(validation_alias=AliasChoices("name", "model_name"))
    description: forms.Description | None = None
    tags: forms.Tags | None = None
    source: forms.Source | None = Field(
        default=None,
        validation_alias=AliasChoices("source", "model_uri"),
        description="Where the version's files are: runs:/RUN/PATH, models:/MODEL_ID, or an address in MLflow's store.",
    )
    run_id: forms.RunIdText | None = None

    def registration(self) -> Registration:
        """Return what to register."""
        return Registration(
            name=self.name,
            description=self.description,
            tags=self.tags or {},
            source=self.source,
            run_id=self.run_id,
        )


class NewStage(BaseModel):
    """The stage of a version."""

    model_config = _example(stage="Production")

    stage: Stage
    archive_existing_versions: Annotated[bool, Strict()] = False


class Resources(BaseModel):
    """What a replica may use, in the units of Kubernetes."""

    cpu: Annotated[str, Field(pattern=f"^({wants.CPU})$")] | None = None
    memory: Annotated[str, Field(pattern=f"^({wants.MEMORY})$")] | None = None


class Canary(BaseModel):
    """How a new version is tried beside the present one before it replaces it."""

    percent: Annotated[int, Field(ge=1, le=wants.MOST_CANARY_PERCENT), forms.WHOLE] = _CANARY.percent
    seconds: Annotated[int, Field(ge=1, le=wants.LONGEST_CANARY), forms.WHOLE] = _CANARY.seconds
    max_error_rate: Annotated[float, Strict(), Field(ge=0, le=1)] = _CANARY.max_error_rate
    max_latency_ratio: Annotated[float, Strict(), Field(ge=1, le=wants.MOST_LATENCY_RATIO)] = _CANARY.max_latency_ratio


class NewDeployment(BaseModel):
    """A model to serve, in the version that `alias` names, or in `version`; by default in that of `champion`."""

    model_config = _example(_ONE_CHOICE, model_name="digits", alias="champion", replicas=2)

    model_name: forms.ModelName = Field(validation_alias=AliasChoices("model_name", "model", "name"))
    version: forms.Version | Annotated[int, Field(ge=1, le=999_999_999), forms.WHOLE] | None = None
    alias: forms.Alias | None = None
    replicas: Annotated[int, Field(ge=1, le=wants.MOST_REPLICAS), forms.WHOLE] = wants.DEFAULT_REPLICAS
    resources: Resources | None = None
    canary: Canary | None = None

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.version is not None and self.alias is not None:
            raise ValueError("either version or alias may be set, not both")
        return self

    def request(self) -> dict[str, Any]:
        """Return the request as data."""
        return self.model_dump(exclude_none=True)

    def wanted(self) -> dict[str, Any]:
        """Return the object that `Wanted.from_json` reads."""
        version = {} if self.version is None else {"version": str(self.version)}
        return self.model_dump(exclude_none=True, exclude={"model_name"}) | version | {"model": self.model_name}
