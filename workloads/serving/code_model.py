"""Write or log a `CodeGenerationModel`: signature, input example, generation parameters and requirements included.

Nothing is pickled, no process is started to find the requirements, and nothing is fetched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypedDict

from mlflow import pyfunc
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from workloads.serving import code_generation
from workloads.serving.code_generation import DEVICES, DTYPES, PARAMETERS

ADAPTER_CONFIG: Final = "adapter_config.json"
_PACKAGES: Final = ("mlflow", "numpy", "pandas", "peft", "safetensors", "tokenizers", "torch", "transformers")
_EXAMPLE: Final = "def add(a, b):\n"
_OUTPUT: Final = (
    (DataType.long, "prompt_index"),
    (DataType.long, "sequence"),
    (DataType.string, "text"),
    (DataType.string, "finish_reason"),
    (DataType.long, "tokens"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeModel:
    """The parts of a model: folders that transformers or PEFT wrote with `save_pretrained`.

    `weights` is a whole model with its tokenizer, or a PEFT adapter. An adapter needs its base model: the folder
    `base`, which is copied into the model, or `base_name`, a path or a name on the Hugging Face hub. With `base_name`
    the model is small, but loading it needs that path or the network. `device` and `dtype` are those at load; the
    caller of `mlflow.pyfunc.load_model` may change them by `model_config`.

    Raises:
        MlflowException: A part is missing, or has files other than safetensors weights.
    """

    weights: Path
    base: Path | None = None
    base_name: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    example: str = _EXAMPLE

    def __post_init__(self) -> None:
        _one_of("device", self.device, DEVICES)
        _one_of("dtype", self.dtype, DTYPES)
        for folder in (self.weights, self.base):
            if folder is not None:
                _check_folder(folder)
        bases = [base for base in (self.base, self.base_name) if base is not None]
        if self._is_adapter and len(bases) != 1:
            raise _bad(f"{self.weights} is an adapter: it needs either base or base_name, got {len(bases)} of them")
        if bases and not self._is_adapter:
            raise _bad(f"{self.weights} is a whole model, without {ADAPTER_CONFIG}: it must not get a base")

    @property
    def _is_adapter(self) -> bool:
        return (self.weights / ADAPTER_CONFIG).is_file()

    def arguments(self) -> "_Arguments":
        """Return the arguments of MLflow's `save_model` and `log_model`."""
        artifacts = {"adapter" if self._is_adapter else "model": str(self.weights)}
        if self.base is not None:
            artifacts["base"] = str(self.base)
        config: dict[str, Any] = {"device": self.device, "dtype": self.dtype}
        if self.base_name is not None:
            config["base_name"] = self.base_name
        return {
            "python_model": code_generation.__file__,
            "artifacts": artifacts,
            "model_config": config,
            "signature": signature(),
            "input_example": ({code_generation.PROMPT: [self.example]}, {"max_new_tokens": 16}),
            "pip_requirements": requirements(),
            "metadata": {"generation_parameters": parameter_table()},
        }


class _Arguments(TypedDict):
    python_model: str
    artifacts: dict[str, str]
    model_config: dict[str, Any]
    signature: ModelSignature
    input_example: tuple[Mapping[str, list[str]], dict[str, int]]
    pip_requirements: list[str]
    metadata: dict[str, Any]


def save_code_model(folder: Path, model: CodeModel, identity: Model | None = None) -> None:
    """Write the MLflow model directory `folder`, which must not exist.

    `identity` has the model's `run_id` and `model_id` in MLflow, if it is logged there.

    Raises:
        MlflowException: MLflow can't write it.
    """
    pyfunc.save_model(path=folder, mlflow_model=identity or Model(), **model.arguments())


def log_code_model(model: CodeModel, name: str = "model", registered_model_name: str | None = None) -> ModelInfo:
    """Log the model to the active MLflow run, and register it if it gets a name.

    Raises:
        MlflowException: MLflow refuses.
    """
    return pyfunc.log_model(name=name, registered_model_name=registered_model_name, **model.arguments())


def signature() -> ModelSignature:
    """Return the signature: outputs and parameters.

    It has no input schema. MLflow would drop every column but the first for a schema that also takes strings and
    lists, and the prompts could be any other column. The model checks its input itself.
    """
    params = [
        ParamSpec(name, parameter.kind, _default(parameter), (-1,) if parameter.kind == "string" else None)
        for name, parameter in PARAMETERS.items()
    ]
    outputs = Schema([ColSpec(kind, name) for kind, name in _OUTPUT])
    return ModelSignature(outputs=outputs, params=ParamSchema(params))


def requirements() -> list[str]:
    """Return the installed versions; without requirements, MLflow would load the model in a process to find them."""
    return [f"{package}=={version(package).split('+')[0]}" for package in _PACKAGES]


def parameter_table() -> dict[str, str]:
    """Return the allowed values of each generation parameter, in words: MLflow's schema has no place for them."""
    return {name: parameter.allowed for name, parameter in PARAMETERS.items()}


def _default(parameter: code_generation.Parameter) -> object:
    return list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise _bad(f"{folder} must be a folder that save_pretrained wrote; it doesn't exist")
    code_generation.refuse_unsafe_files(folder)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise _bad(f"{name} must be {', '.join(allowed)}, got {value!r}")


def _bad(message: str) -> MlflowException:
    return MlflowException.invalid_parameter_value(f"{message}.")
