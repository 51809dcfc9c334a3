"""`python -m laptop.compare`: compare the runs of the environment's experiment."""

from collections.abc import Sequence
from importlib import import_module
from typing import Final

from laptop import environment
from workloads import cli

_EPILOG: Final = """\
Every other option is one of `python -m workloads.registry compare`, such as --metric, --html FILE, or --model-name NAME
for the versions of a model.

examples:
  python -m laptop.compare
  python -m laptop.compare --metric val/accuracy --html report.html
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison."""
    parser = cli.parser("laptop.compare", "Compare the runs of the experiment.", _EPILOG)
    environment.add_environment(parser)
    args, others = parser.parse_known_args(argv)
    settings = environment.enter(args.env)
    named = any(option.startswith(("--experiment-name", "--model-name")) for option in others)
    default = [] if named else ["--experiment-name", settings.experiment]
    # MLflow is imported only now, see `enter`.
    return import_module("workloads.registry.__main__").main(["compare", *default, *others])


if __name__ == "__main__":
    cli.run(main)
