"""Shared frame of the embedded platform's commands: help, one clear line for a failure, the exit code."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from contracts import Exit
from local.errors import LocalError


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Show meaningful defaults, and keep the line breaks of examples."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False):
            return action.help
        return super()._get_help_string(action)


def parser(command: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Return the argument parser of `python -m COMMAND`."""
    return argparse.ArgumentParser(
        prog=f"python -m {command}", description=description, epilog=epilog, formatter_class=_Formatter
    )


def run(main: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """Run a command's `main` and exit; a `LocalError` becomes one line on stderr and exit code 1."""
    # `ip` and `iptables` are there, and `su` without `-` leaves them out of PATH.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(None))
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(Exit.UNEXPECTED)
    except BrokenPipeError:
        # The reader of our output has closed it (`... | head`); Python must not complain about that at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.UNEXPECTED)
    except KeyboardInterrupt:
        print("interrupted; run the command again to continue", file=sys.stderr)
        sys.exit(128 + 2)
