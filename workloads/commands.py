"""Commands that run as a part of one program, such as `python -m workloads.registry compare`."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workloads import cli


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command: its name, its help, its options, and the function that runs it and returns the exit code."""

    name: str
    summary: str
    epilog: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]

    def alone(self, program: str) -> Callable[[Sequence[str] | None], int]:
        """Return a `main` that runs only this command, as `python -m PROGRAM`."""

        def main(argv: Sequence[str] | None = None) -> int:
            parser = cli.parser(program, self.summary, self.epilog)
            self.add_arguments(parser)
            return self.run(parser.parse_args(argv))

        return main


def run_one(program: str, summary: str, commands: Sequence[Command], argv: Sequence[str] | None) -> int:
    """Run the command that the first argument of `python -m PROGRAM` names, and return its exit code."""
    epilog = f"Each command has its own help, such as:\n  python -m {program} {commands[0].name} --help\n"
    parser = cli.parser(program, summary, epilog)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in commands:
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
