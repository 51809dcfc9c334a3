"""`python -m laptop.train`: train a model with small defaults, and register it."""

import argparse
from collections.abc import Sequence
from typing import Final

from laptop import environment
from laptop.settings import Settings
from workloads import cli

_EPILOG: Final = """\
Each training gets a new folder. To continue one that was stopped, name its folder with --out-dir. Every other option is
the trainer's own and replaces the default; see `python -m workloads.training.train_deepspeed --help`.

examples:
  python -m laptop.train
  python -m laptop.train --max-epochs 3 --lr 0.02 --seed 1
"""
_OUT_DIR, _EXPERIMENT = "--out-dir", "--experiment-name"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the trainer with the environment's defaults."""
    parser = cli.parser("laptop.train", "Train a small network, log it to MLflow and register the models.", _EPILOG)
    environment.add_environment(parser)
    parser.add_argument(_EXPERIMENT, metavar="NAME", help="the experiment (default: MLFLOW_EXPERIMENT_NAME)")
    parser.add_argument(_OUT_DIR, metavar="DIR", help="the training's folder (default: a new one)")
    args, others = parser.parse_known_args(argv)
    settings = environment.enter(args.env)
    # MLflow is imported only now, see `enter`.
    from laptop import prepare  # noqa: PLC0415
    from workloads.training import train_deepspeed  # noqa: PLC0415

    prepare.prepare_experiment(settings, args.experiment_name or settings.experiment)
    return train_deepspeed.main([*_defaults(args, settings), *others])


def _defaults(args: argparse.Namespace, settings: Settings) -> list[str]:
    return [
        *(_OUT_DIR, args.out_dir or _new_folder(settings)),
        *(_EXPERIMENT, args.experiment_name or settings.experiment),
        *("--max-epochs", "2", "--register-models"),
    ]


def _new_folder(settings: Settings) -> str:
    parent = settings.folder / "trainings"
    parent.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(each.name) for each in parent.iterdir() if each.name.isdecimal()), default=0)
    folder = parent / f"{number:04}"
    # Exclusive, as two trainings may start at once.
    folder.mkdir()
    return str(folder)


if __name__ == "__main__":
    cli.run(main)
