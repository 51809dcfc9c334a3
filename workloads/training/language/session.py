"""The facts of one fine-tuning that all its parts share, collected once at its start."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from contracts import Env
from workloads.training.checkpoints import Setup
from workloads.training.engine import configuration
from workloads.training.language.config import Config, key_of
from workloads.training.language.corpus import Corpus
from workloads.training.processes import Processes
from workloads.training.run_log import RunFacts

COMMAND = "workloads.training.train_code_model"
# MLflow's limit on a parameter's value, in characters (mlflow/utils/validation.py).
_LONGEST_PARAMETER = 6000


class TextSetup(Setup):
    """A fine-tuning that a checkpoint belongs to."""

    def option(self, name: str) -> str:
        """Return the key of a setting in the configuration."""
        return key_of(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class TextSession:
    """The configuration, samples, dtype (fp32, bf16 or fp16), processes and source commit of a fine-tuning."""

    config: Config
    corpus: Corpus
    dtype: str
    peers: Processes
    git_commit: str | None

    @property
    def setup(self) -> TextSetup:
        """The setup that a resume must have."""
        return TextSetup(settings=self.config.settings(), digest=self.corpus.digest, world_size=self.peers.world_size)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters by which runs are compared."""
        values = self.config.as_dict()
        sections = {"model": values["model"], **values["training"], **values["data"]}
        flat = dict(_flat(sections))
        return {name: _cut(value) for name, value in flat.items()} | {
            "dtype": self.dtype,
            "device": self.peers.device.type,
            "world_size": self.peers.world_size,
            "dataset_sha256": self.corpus.digest,
            "train_samples": len(self.corpus.train),
            "validation_samples": len(self.corpus.validation),
        }

    def facts(self) -> RunFacts:
        """Return what the MLflow run says about the fine-tuning."""
        return RunFacts(
            command=COMMAND,
            tracking_option=Env.TRACKING_URI if self.config.tracking_uri is None else "tracking_uri",
            out_dir=self.config.out_dir,
            experiment_name=self.config.experiment,
            run_name=self.config.run_name,
            parameters=self.parameters(),
            config={
                "configuration": self.config.as_dict(),
                "parameters": self.parameters(),
                "deepspeed": configuration(self.config.training, self.peers.world_size, self.dtype),
                "git_commit": self.git_commit,
                "versions": {
                    package: version(package) for package in ("torch", "deepspeed", "mlflow", "transformers", "peft")
                },
            },
            git_commit=self.git_commit,
            data_name=self.corpus.name,
            data_digest=self.corpus.digest,
            data_source=f"data.train: {self.config.data.train}",
        )


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return nested values under names such as `model.lora.rank`, without those that aren't set."""
    return [
        item
        for name, value in values.items()
        if value is not None
        for item in (_flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)])
    ]


def _cut(value: object) -> object:
    return value[:_LONGEST_PARAMETER] if isinstance(value, str) else value
