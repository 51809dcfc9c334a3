"""The configuration of a fine-tuning, checked before anything heavy is imported."""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from contracts import Env, Exit
from workloads import messages
from workloads.cli import WorkloadError
from workloads.registry import options
from workloads.training.language import yaml_file

_LARGEST_SEED: Final = 2**63 - 1

Text = Annotated[str, StringConstraints(min_length=1)]


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be a path")
    return Path(value).expanduser()


Folder = Annotated[Path, Field(strict=False), BeforeValidator(_path)]


class Section(BaseModel):
    """A part of the configuration: unknown keys and other types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _parse_expanded(cls, values: Any) -> Any:  # noqa: ANN401 - not checked yet
        """Read expanded variables as YAML wherever the field isn't text."""
        if not isinstance(values, dict):
            return values
        return {key: _parsed(value, cls.model_fields.get(key)) for key, value in values.items()}


def _parsed(value: Any, field: FieldInfo | None) -> Any:  # noqa: ANN401 - any YAML value
    kind = field.annotation if field else None
    if kind in (str, str | None, Path, Path | None):
        return value
    if isinstance(value, dict) and kind in (dict[str, Any], dict[str, Any] | None):
        return {key: _parsed(item, field) for key, item in value.items()}
    return value.parsed() if isinstance(value, yaml_file.Expanded) else value


class Lora(Section):
    """A LoRA adapter: small matrices that are trained in place of the base model's weights."""

    rank: int = Field(default=8, ge=1, le=1024)
    alpha: int = Field(default=16, ge=1, le=10_000)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    # Names of the layers that get matrices; None: all linear layers but the output.
    targets: list[Text] | None = None


class ModelSource(Section):
    """The model to train: `base`, a folder or a name on the Hugging Face hub, or `init`, a transformers configuration.

    `init` makes a model with random weights and a tokenizer of bytes, for tests and trials. Without `lora`, all weights
    are trained. With `embed_base` false, the MLflow model of an adapter refers to `base` and doesn't contain it.
    """

    base: Text | None = None
    init: dict[str, Any] | None = None
    lora: Lora | None = None
    embed_base: bool = True

    @model_validator(mode="after")
    def _one_source(self) -> "ModelSource":
        if (self.base is None) == (self.init is None):
            raise ValueError("must have either base or init")
        if not self.embed_base and (self.lora is None or self.base is None):
            raise ValueError("may have embed_base: false only with base and lora")
        return self


class Data(Section):
    """The samples: JSONL files with `{"prompt": ..., "completion": ...}` or `{"text": ...}` on each line.

    Without `validation`, `validation_share` of the training samples, chosen by the seed, are kept apart. `max_length`
    is the most tokens of a sample; default: 512, or the model's context if that is shorter.
    """

    train: Folder
    validation: Folder | None = None
    validation_share: float = Field(default=0.1, gt=0, le=0.5)
    max_length: int | None = Field(default=None, ge=2)


class Training(Section):
    """The training itself; `batch_size` is the number of samples of a step over all processes."""

    epochs: int = Field(default=3, ge=1, le=100_000)
    batch_size: int = Field(default=8, ge=1, le=1_000_000)
    learning_rate: float = Field(default=2e-4, gt=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    seed: int = Field(default=0, ge=0, le=_LARGEST_SEED)
    dtype: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    zero_stage: Literal[0, 1, 2, 3] = 0
    keep_checkpoints: int = Field(default=2, ge=1)

    @property
    def samples_per_step(self) -> int:
        """The samples of one optimizer step, over all processes."""
        return self.batch_size

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate of the one-cycle schedule."""
        return self.learning_rate


class Examples(Section):
    """The texts that the trained model writes for the run: `prompts`, or by default the first `count` of validation.

    `generation` has parameters of `CodeGenerationModel`.
    """

    prompts: list[Text] = Field(default_factory=list, max_length=100)
    count: int = Field(default=3, ge=1, le=100)
    generation: dict[str, Any] = Field(default_factory=dict)


class Config(Section):
    """The whole configuration. Relative paths are relative to the working directory."""

    experiment: Text = "code-model"
    run_name: Text | None = None
    out_dir: Folder
    # MLflow's address; without it and without the environment variable, nothing is logged.
    tracking_uri: Text | None = None
    # Register EXPERIMENT_model, the CodeGenerationModel, and EXPERIMENT_pytorch_model, whole transformers weights.
    register_models: bool = False
    # Keep figures of the prompts' length and characters in the models, against which served models are watched.
    baseline: bool = True
    model: ModelSource
    data: Data
    training: Training = Training()
    examples: Examples = Examples()

    @model_validator(mode="after")
    def _names(self) -> "Config":
        _named("experiment", self.experiment, options.experiment)
        if self.run_name is not None:
            _named("run_name", self.run_name, options.run)
        if self.register_models:
            for name in self.registered_names:
                _named("experiment, after which register_models names models,", name, options.model)
            if self.uri is None:
                raise ValueError(f"register_models needs MLflow: set tracking_uri or {Env.TRACKING_URI}")
        if self.out_dir.exists() and not self.out_dir.is_dir():
            raise ValueError(f"out_dir must be a folder, or not exist yet; {self.out_dir} is a file")
        return self

    @property
    def uri(self) -> str | None:
        """The address of MLflow."""
        return self.tracking_uri or os.environ.get(Env.TRACKING_URI) or None

    @property
    def pyfunc_name(self) -> str:
        """The name of the registered `CodeGenerationModel`."""
        return f"{self.experiment}_model"

    @property
    def pytorch_name(self) -> str:
        """The name of the registered transformers model."""
        return f"{self.experiment}_pytorch_model"

    @property
    def registered_names(self) -> tuple[str, ...]:
        """All names under which models are registered."""
        return (self.pyfunc_name, self.pytorch_name) if self.register_models else ()

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON-ready values without credentials, for MLflow, where every user reads it."""
        values = self.model_dump(mode="json")
        values["tracking_uri"] = values["tracking_uri"] and messages.without_credentials(values["tracking_uri"])
        return values

    def settings(self) -> dict[str, Any]:
        """Return the settings that must not change for a resume; others (epochs, MLflow, names) may."""
        training = self.training.model_dump(
            include={"batch_size", "learning_rate", "weight_decay", "seed", "zero_stage"}
        )
        model = self.model.model_dump(mode="json", exclude={"embed_base"})
        data = {"max_length": self.data.max_length, "validation_share": self.data.validation_share}
        return training | data | {"model": json.dumps(model, sort_keys=True)}


def key_of(setting: str) -> str:
    """Return the path of the key of a setting, such as `training.batch_size`."""
    for section, fields in (("training", Training.model_fields), ("data", Data.model_fields)):
        if setting in fields:
            return f"{section}.{setting}"
    return setting


def load(path: Path) -> Config:
    """Return the configuration in the file.

    Raises:
        WorkloadError: The file can't be read, or a key or value isn't allowed; the message gives the key's path.
    """
    try:
        return Config.model_validate(yaml_file.read(path))
    except ValidationError as error:
        raise WorkloadError(f"{path}: {'; '.join(_problems(error))}.", Exit.USAGE) from error


_SECTIONS: Final[dict[int | str, type[Section]]] = {
    "model": ModelSource,
    "lora": Lora,
    "data": Data,
    "training": Training,
    "examples": Examples,
}


def _named(key: str, value: str, check: Any) -> None:  # noqa: ANN401 - a function of `options`
    try:
        check(value)
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"{key} must be a name that MLflow allows: {value!r} {error}") from error


def _problems(error: ValidationError) -> Iterator[str]:
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"])
        problem = _problem(detail)
        yield f"{key} {problem}" if key else problem


_KINDS: Final = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "finite_number": "a finite number",
}
_BOUNDS: Final = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}


def _problem(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"is not a key: allowed are {', '.join(_allowed(detail['loc']))}"
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(context["error"])
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        allowed = f"{word} {_number(context[bound])}"
    elif kind == "string_too_short":
        allowed = "text that isn't empty"
    elif kind == "literal_error":
        allowed = str(context["expected"])
    else:
        allowed = _KINDS.get(kind) or detail["msg"].removeprefix("Input should be ")
    return f"must be {allowed}, got {_shown(detail['input'])}"


def _allowed(location: tuple[int | str, ...]) -> list[str]:
    return list((_SECTIONS[location[-2]] if len(location) > 1 else Config).model_fields)


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _shown(value: object) -> str:
    text = repr(str(value) if isinstance(value, str) else value)
    return text if len(text) <= 80 else f"{text[:80]}..."  # noqa: PLR2004 - characters of a readable message
