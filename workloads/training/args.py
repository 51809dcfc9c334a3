"""The arguments of a training, checked before anything heavy is imported."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from contracts import Env, Exit
from workloads import cli, messages
from workloads.cli import WorkloadError
from workloads.registry import options

COMMAND = "workloads.training.train_deepspeed"

DATASETS = ("digits", "cifar10")
DTYPES = ("auto", "fp32", "bf16", "fp16")
DEVICES = ("auto", "cpu", "cuda")
ZERO_STAGES = (0, 1, 2, 3)

# Peak of the one-cycle learning rate that suited each data set at its default batch size.
_PEAK_LEARNING_RATE = {"digits": 0.01, "cifar10": 0.01}
_BATCH_SIZE = {"digits": 32, "cifar10": 128}
# PyTorch's limits of a dimension's size (before memory becomes one) and of a seed.
_LARGEST_NUMBER = 2**31 - 1
_LARGEST_SEED = 2**63 - 1

_EPILOG = f"""\
examples:
  python -m {COMMAND} --out-dir out --max-epochs 3
  python -m {COMMAND} --out-dir out --dataset cifar10 --data-dir cifar-10-batches-py --limit 10000
  torchrun --nproc-per-node 2 -m {COMMAND} --out-dir out --zero-stage 2

files in OUT_DIR:
  model/          the MLflow model directory (exported graph, no pickle), with signature, input example and baseline
  pyfunc/         with --register-models: the PyFunc model (code and exported graph, no pickle)
  weights.pt      the plain weights, for torch.load(..., weights_only=True)
  metrics.json    the result, also printed by --json
  checkpoints/    the newest checkpoints; the same command resumes from the last complete one

exit codes: 0 trained; 2 bad argument or data; 6 MLflow does not answer; 143 stopped by SIGTERM or Ctrl-C and saved: the
same command continues at the same step, in the same MLflow run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingArgs:
    """The settings of a training.

    Raises:
        ValueError: A value is out of range; the message names the option and the allowed range.
    """

    out_dir: Path
    max_epochs: int = 3
    dataset: str = "digits"
    data_dir: Path | None = None
    limit: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float = 0.01
    width: int = 32
    seed: int = 0
    dtype: str = "auto"
    device: str = "auto"
    zero_stage: int = 0
    keep_checkpoints: int = 2
    tracking_uri: str | None = None
    experiment_name: str = "aegis-training"
    run_name: str | None = None
    register: str | None = None
    register_models: bool = False
    baseline: bool = True
    json: bool = False

    def __post_init__(self) -> None:
        _one_of("--dataset", self.dataset, DATASETS)
        _one_of("--dtype", self.dtype, DTYPES)
        _one_of("--device", self.device, DEVICES)
        _one_of("--zero-stage", self.zero_stage, ZERO_STAGES)
        _within("--max-epochs", self.max_epochs, 1)
        _within("--limit", self.limit, 1)
        _within("--batch-size", self.batch_size, 2)
        _within("--width", self.width, 4)
        _within("--seed", self.seed, 0, _LARGEST_SEED)
        _within("--keep-checkpoints", self.keep_checkpoints, 1)
        if self.lr is not None and not 0 < self.lr <= 1:
            raise ValueError(f"--lr must be above 0 and at most 1, got {self.lr}.")
        if not 0 <= self.weight_decay <= 1:
            raise ValueError(f"--weight-decay must be between 0 and 1, got {self.weight_decay}.")
        if self.dataset == "cifar10" and self.data_dir is None:
            raise ValueError("--dataset cifar10 needs --data-dir: the folder with its files.")
        if self.dataset == "digits" and self.data_dir is not None:
            raise ValueError("--data-dir is for --dataset cifar10: digits comes with scikit-learn.")
        if os.path.exists(self.out_dir) and not self.out_dir.is_dir():  # noqa: PTH110 - accepts names that are too long
            raise ValueError(f"--out-dir must be a folder, or not exist yet; {self.out_dir} is a file.")
        if self.register_models:
            _require_model_names(self)

    @property
    def samples_per_step(self) -> int:
        """The samples of one optimizer step, over all processes."""
        return self.batch_size or _BATCH_SIZE[self.dataset]

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate of the one-cycle schedule."""
        return self.lr or _PEAK_LEARNING_RATE[self.dataset]

    @property
    def pytorch_names(self) -> tuple[str, ...]:
        """The names under which the exported PyTorch model is registered."""
        names = [self.register] if self.register else []
        if self.register_models:
            names.append(f"{self.experiment_name}_pytorch_model")
        return tuple(dict.fromkeys(names))

    @property
    def pyfunc_name(self) -> str | None:
        """The name under which the PyFunc model is registered, or None."""
        return f"{self.experiment_name}_model" if self.register_models else None

    @property
    def registered_names(self) -> tuple[str, ...]:
        """All names under which models are registered."""
        return (*self.pytorch_names, self.pyfunc_name) if self.pyfunc_name else self.pytorch_names

    def as_dict(self) -> dict[str, object]:
        """Return the settings as JSON-ready values, with the data set's defaults filled in."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "json"}
        values |= {"batch_size": self.samples_per_step, "lr": self.peak_learning_rate}
        # It is logged to MLflow, where every user can read it.
        if self.tracking_uri is not None:
            values["tracking_uri"] = messages.without_credentials(self.tracking_uri)
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def parse(argv: Sequence[str] | None) -> TrainingArgs:
    """Parse a command line.

    Raises:
        WorkloadError: A value is out of range, or a model is to be registered without the address of MLflow.
    """
    options = vars(_parser().parse_args(argv))
    try:
        args = TrainingArgs(**options)
    except ValueError as error:
        raise WorkloadError(str(error), Exit.USAGE) from error
    if args.registered_names and not (args.tracking_uri or os.environ.get(Env.TRACKING_URI)):
        option = "--register-models" if args.register_models else "--register"
        raise WorkloadError(f"{option} needs MLflow: set --tracking-uri or {Env.TRACKING_URI}.", Exit.USAGE)
    return args


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser(
        COMMAND,
        "Train a small residual network with DeepSpeed: in one process or several (torchrun), on GPUs, or on the CPU "
        "without a GPU. Resumes from the last checkpoint in --out-dir.",
        _EPILOG,
    )
    parser.add_argument("--out-dir", type=Path, required=True, help="folder for checkpoints, model and metrics.json")
    parser.add_argument("--max-epochs", type=int, default=3, help="epochs in total, including those before a resume")
    parser.add_argument(
        "--no-baseline",
        action="store_false",
        dest="baseline",
        help="keep no figures of the pictures' brightness in the models, against which served models are watched",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    _add_data_arguments(parser.add_argument_group("data"))
    _add_training_arguments(parser.add_argument_group("training"))
    _add_tracking_arguments(parser.add_argument_group("MLflow"))
    return parser


def _add_data_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--dataset", choices=DATASETS, default="digits", help="digits comes with scikit-learn")
    group.add_argument(
        "--data-dir",
        type=Path,
        help="for cifar10: a folder with cifar-10-batches-py, data_batch_1 ... or cifar10-jpeg.npz, or that .npz file",
    )
    group.add_argument("--limit", type=int, help="train on this many samples only, chosen by --seed")


def _add_training_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--batch-size", type=int, help=f"samples per step over all processes (default: {_BATCH_SIZE})")
    group.add_argument("--lr", type=float, help=f"peak of the one-cycle learning rate (default: {_PEAK_LEARNING_RATE})")
    group.add_argument("--weight-decay", type=float, default=0.01, help="weight decay of AdamW")
    group.add_argument("--width", type=int, default=32, help="channels after the first convolution")
    group.add_argument("--seed", type=int, default=0, help="the same seed on the same machine gives the same result")
    group.add_argument(
        "--dtype",
        choices=DTYPES,
        default="auto",
        help="of the arithmetic; weights stay fp32. auto: the device's fastest",
    )
    group.add_argument("--device", choices=DEVICES, default="auto", help="auto: a GPU if there is one")
    group.add_argument(
        "--zero-stage",
        type=int,
        choices=ZERO_STAGES,
        default=0,
        help="ZeRO stage: the state that is sharded over the processes",
    )
    group.add_argument("--keep-checkpoints", type=int, default=2, help="number of newest checkpoints to keep")


def _add_tracking_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow server, database or folder: http://HOST:PORT, sqlite:///FILE, file:FOLDER or a path "
        f"(default: {Env.TRACKING_URI}; without both, no logging)",
    )
    group.add_argument(
        "--experiment-name", type=options.experiment, default="aegis-training", help="created if it does not exist"
    )
    group.add_argument("--run-name", type=options.run, help="name of the MLflow run (default: MLflow invents one)")
    group.add_argument("--register", metavar="NAME", type=options.model, help="register the model under this name")
    group.add_argument(
        "--register-models",
        action="store_true",
        help="register the model as EXPERIMENT_pytorch_model, and a PyFunc model that returns classes and "
        "probabilities as EXPERIMENT_model; refused if EXPERIMENT contains / : or ', which a model's name can't have",
    )


def _require_model_names(args: TrainingArgs) -> None:
    """Refuse an experiment after which MLflow can't name a model, before hours of training."""
    if args.register == args.pyfunc_name:
        raise ValueError(
            f"--register {args.register} is the name of the PyFunc model that --register-models registers: use another."
        )
    for name in args.registered_names:
        try:
            options.model(name)
        except argparse.ArgumentTypeError as error:
            raise ValueError(
                f"--register-models names models after --experiment-name, and a model's name {error}."
            ) from error


def _one_of(option: str, value: object, allowed: Sequence[object]) -> None:
    if value not in allowed:
        raise ValueError(f"{option} must be one of {', '.join(map(str, allowed))}, got {value!r}.")


def _within(option: str, value: int | None, least: int, most: int = _LARGEST_NUMBER) -> None:
    if value is not None and value < least:
        raise ValueError(f"{option} must be at least {least}, got {value}.")
    if value is not None and value > most:
        raise ValueError(f"{option} must be at most {most}, got {value}.")
