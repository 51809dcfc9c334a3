"""What every part of one training needs to know, settled once at its start."""

import os
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from contracts import Env
from workloads.training.args import TrainingArgs
from workloads.training.data.dataset import DataSet
from workloads.training.engine import configuration
from workloads.training.processes import Processes

# Settings that say where to, not what: no parameters of a run.
_NOT_PARAMETERS = {"out_dir", "data_dir", "device", "tracking_uri", "experiment_name", "run_name", "register"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """The arguments, the data, the dtype chosen (fp32, bf16 or fp16) and the processes of a training."""

    args: TrainingArgs
    data: DataSet
    dtype: str
    peers: Processes
    git_commit: str | None

    @property
    def tracking_uri(self) -> str | None:
        """The tracking server of the command line, else of the environment."""
        return self.args.tracking_uri or os.environ.get(Env.TRACKING_URI) or None

    def parameters(self) -> dict[str, Any]:
        """Return what a run is compared by."""
        settings = {name: value for name, value in self.args.as_dict().items() if name not in _NOT_PARAMETERS}
        return settings | {
            "dtype": self.dtype,
            "device": self.peers.device.type,
            "world_size": self.peers.world_size,
            "dataset_sha256": self.data.digest,
            "train_samples": len(self.data.train),
        }

    def config(self) -> dict[str, Any]:
        """Return everything that a repetition of the training needs, JSON-ready."""
        return {
            "arguments": self.args.as_dict(),
            "parameters": self.parameters(),
            "deepspeed": configuration(self.args, self.peers.world_size, self.dtype),
            "class_names": self.data.class_names,
            "git_commit": self.git_commit,
            "versions": {package: version(package) for package in ("torch", "deepspeed", "mlflow", "numpy")},
        }
