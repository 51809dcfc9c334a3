"""The facts of one training that all its parts share, collected once at its start."""

import os
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contracts import Env
from workloads.training.args import COMMAND, TrainingArgs
from workloads.training.data.dataset import DataSet
from workloads.training.engine import configuration
from workloads.training.processes import Processes
from workloads.training.run_log import RunFacts

# Settings that don't describe the training itself, so they are not logged as parameters of the run.
_NOT_PARAMETERS = {
    "out_dir",
    "data_dir",
    "device",
    "tracking_uri",
    "experiment_name",
    "run_name",
    "register",
    "register_models",
    "baseline",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """The arguments, data, dtype (fp32, bf16 or fp16), processes and source commit of a training."""

    args: TrainingArgs
    data: DataSet
    dtype: str
    peers: Processes
    git_commit: str | None

    @property
    def tracking_uri(self) -> str | None:
        """The address of the tracking server from the command line, else from the environment."""
        return self.args.tracking_uri or os.environ.get(Env.TRACKING_URI) or None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters by which runs are compared."""
        settings = {name: value for name, value in self.args.as_dict().items() if name not in _NOT_PARAMETERS}
        return settings | {
            "dtype": self.dtype,
            "device": self.peers.device.type,
            "world_size": self.peers.world_size,
            "dataset_sha256": self.data.digest,
            "train_samples": len(self.data.train),
        }

    def config(self) -> dict[str, Any]:
        """Return everything that is needed to repeat the training, as JSON-ready values."""
        return {
            "arguments": self.args.as_dict(),
            "parameters": self.parameters(),
            "deepspeed": configuration(self.args, self.peers.world_size, self.dtype),
            "class_names": self.data.class_names,
            "git_commit": self.git_commit,
            "versions": {package: version(package) for package in ("torch", "deepspeed", "mlflow", "numpy")},
        }

    def facts(self) -> RunFacts:
        """Return what the training's MLflow run says about it."""
        return RunFacts(
            command=COMMAND,
            tracking_option=Env.TRACKING_URI if self.args.tracking_uri is None else "--tracking-uri",
            out_dir=self.args.out_dir,
            experiment_name=self.args.experiment_name,
            run_name=self.args.run_name,
            parameters=self.parameters(),
            config=self.config(),
            git_commit=self.git_commit,
            data_name=self.data.name,
            data_digest=self.data.digest,
            data_source=f"--dataset {self.data.name}",
        )


def git_commit() -> str | None:
    """Return the commit that the code is from: set in an image, else asked of git, with `-dirty` for changed files."""
    commit = os.environ.get(Env.GIT_COMMIT)
    if commit:
        return commit
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
