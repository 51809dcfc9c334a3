"""The frame that every workload command shares: one clear line on stderr, and an exit code that tells what failed."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from contracts import Exit


class WorkloadError(Exception):
    """A failure that the user can act on: its text is the one line that the command prints.

    `code` is what the process exits with, see `contracts.Exit`.
    """

    def __init__(self, message: str, code: Exit = Exit.UNEXPECTED) -> None:
        super().__init__(message)
        self.code = code


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults and keeps the line breaks of examples."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, ()) or action.required:
            return action.help
        return super()._get_help_string(action)


def parser(command: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Return the argument parser of `python -m COMMAND`, with examples in `epilog`."""
    return argparse.ArgumentParser(
        prog=f"python -m {command}", description=description, epilog=epilog, formatter_class=_Formatter
    )


def require_env(name: str, purpose: str) -> str:
    """Return the environment variable `name`.

    Raises:
        WorkloadError: It is not set; the message names it and what it is for.
    """
    value = os.environ.get(name, "")
    if not value:
        raise WorkloadError(f"{name} is not set: it gives {purpose}.", Exit.USAGE)
    return value


def run(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command's `main` and exit; a `WorkloadError` becomes its one line on stderr and its exit code."""
    logging.basicConfig(
        level=os.environ.get("AEGIS_LOG_LEVEL", "WARNING"), format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        sys.exit(main(argv))
    except WorkloadError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.code)
    except BrokenPipeError:
        # The reader of our output has gone (`... | head`): nothing more to say, and Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.UNEXPECTED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + 2)
