"""`python -m workloads.signing`: package, sign and verify model archives."""

from collections.abc import Sequence
from typing import Final

from workloads import cli
from workloads.signing.commands import PACKAGE, PACKAGE_AND_SIGN, SIGN, VERIFY

_EPILOG: Final = """\
Each command has its own help, such as:
  python -m workloads.signing verify --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands."""
    parser = cli.parser("workloads.signing", "Package, sign and verify model archives.", _EPILOG)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (PACKAGE, SIGN, PACKAGE_AND_SIGN, VERIFY):
        one = subparsers.add_parser(
            command.name,
            help=command.summary,
            description=command.summary,
            epilog=command.epilog,
            formatter_class=parser.formatter_class,
        )
        command.add_arguments(one)
        one.set_defaults(command=command)
    args = parser.parse_args(argv)
    return args.command.run(args)


if __name__ == "__main__":
    cli.run(main)
