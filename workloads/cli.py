"""The frame of every workload command: failures become one clear line on stderr and a specific exit code."""

import argparse
import contextlib
import errno
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from aegis.errors import NotVerifiedError
from contracts import Exit
from workloads import logs, messages

# Errors that another path would avoid, as opposed to errors of the file system's state.
_WRONG_PATH: Final = {
    errno.EACCES,
    errno.EBUSY,
    errno.EEXIST,
    errno.EINVAL,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.ENXIO,
    errno.EPERM,
    errno.EROFS,
}


class WorkloadError(Exception):
    """A failure that the user can act on; the command prints its text and exits with `code`, see `contracts.Exit`.

    The text is always one line without credentials, whatever the message quotes, see `messages.plain`.
    """

    def __init__(self, message: str, code: Exit = Exit.UNEXPECTED) -> None:
        super().__init__(messages.plain(message))
        self.code = code


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults and keeps the line breaks of examples."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, (), []) or action.required:
            return action.help
        return super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    """Cleans the values that its errors quote, see `messages.plain`."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and a one-line message, and exit."""
        super().error(messages.plain(message))

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:  # noqa: ANN401 - as in the base class
        values = super()._get_values(action, arg_strings)
        # For a second `--` in place of a value, argparse gives a list without elements.
        if action.nargs is None and values == []:
            raise argparse.ArgumentError(action, "expected one argument")
        return values


def parser(command: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Return the argument parser of `python -m COMMAND`, with examples in `epilog`."""
    return _Parser(prog=f"python -m {command}", description=description, epilog=epilog, formatter_class=_Formatter)


def file_path(text: str) -> Path:
    """Parse a path; use it as an argument's `type`.

    Raises:
        ArgumentTypeError: The text is empty or contains a null character.
    """
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a path")
    return Path(text)


def require_env(name: str, purpose: str) -> str:
    """Return the environment variable `name`.

    Raises:
        WorkloadError: It is not set; the message gives its name and purpose.
    """
    value = os.environ.get(name, "")
    if not value:
        raise WorkloadError(f"{name} is not set: it must contain {purpose}.", Exit.USAGE)
    return value


def has_env(name: str) -> bool:
    """Return whether the environment variable `name` is set, and not empty."""
    return bool(os.environ.get(name))


def file_error(path: object, verb: str, error: OSError) -> WorkloadError:
    """Return the error to raise when `path` cannot be "read" or "written"; `Exit.USAGE` if another path would help."""
    code = Exit.USAGE if error.errno in _WRONG_PATH else Exit.UNEXPECTED
    return WorkloadError(f"{path} cannot be {verb}: {error.strerror or error}", code)


def require_address(name: str, purpose: str) -> str:
    """Return the address of an HTTP server from the environment variable `name`.

    Raises:
        WorkloadError: It is not set or is not a valid address; the message gives its name and purpose.
    """
    address = require_env(name, purpose).strip()
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch("[!-~]+", address):
        # The message omits the value: the invalid part may be a password.
        raise WorkloadError(f"{name} must be an address such as https://HOST:PORT or http://HOST:PORT.", Exit.USAGE)
    return address


def run(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command's `main` and exit; a failure becomes its one line on stderr and its exit code."""
    try:
        _prepare_output()
        _check_arguments(sys.argv[1:] if argv is None else argv)
        code = main(argv)
        sys.stdout.flush()
    except (WorkloadError, NotVerifiedError, OSError, KeyboardInterrupt) as error:
        _exit(*_explained(error), drop=isinstance(error, OSError))
    except SystemExit as end:
        # The parser has printed what is wrong.
        if not logs.is_json() or isinstance(end.code, str):
            raise
        _exit(end.code or Exit.OK)
    except Exception as error:
        if not logs.is_json():
            raise
        _exit(Exit.UNEXPECTED, messages.plain(f"{type(error).__name__}: {error}"), cause=error)
    else:
        _exit(code)


def _explained(error: WorkloadError | NotVerifiedError | OSError | KeyboardInterrupt) -> tuple[int, str]:
    """Return the exit code and the line of a failure, "" if nobody reads it."""
    match error:
        case WorkloadError():
            return error.code, f"error: {error}"
        case NotVerifiedError():
            return Exit.NOT_VERIFIED, f"error: {messages.plain(str(error))}"
        case BrokenPipeError():
            # The reader of the output has exited (`... | head`).
            return Exit.UNEXPECTED, ""
        case OSError():
            # An error that the command doesn't handle, such as a full disk behind standard output.
            failure = file_error(error.filename or "standard output", "used", error)
            return failure.code, f"error: {failure}"
        case KeyboardInterrupt():
            return 128 + 2, "interrupted"


def _exit(code: int, line: str = "", *, cause: Exception | None = None, drop: bool = False) -> NoReturn:
    """Exit after the last line: that of a failure, or in JSON that of every job; `drop` what can't be printed."""
    if logs.is_json():
        spec = sys.modules["__main__"].__spec__
        command = spec.name.removesuffix(".__main__") if spec else Path(sys.argv[0]).name
        logs.job_ended(command, int(code), line.removeprefix("error: "), cause)
    elif line:
        print(line, file=sys.stderr)
    if drop:
        _drop_output()
    sys.exit(code)


def _prepare_output() -> None:
    """Set up logging, and print characters that the terminal's encoding lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        logs.check()
    except logs.BadSettingError as error:
        raise WorkloadError(str(error), Exit.USAGE) from error
    handler = logging.StreamHandler()
    handler.setFormatter(logs.formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logs.share_handler()
    logs.set_levels(logs.level("WARNING"))


def _check_arguments(argv: Sequence[str]) -> None:
    """Refuse `--option=--`, which Python's parser turns into an empty list."""
    for argument in argv:
        if argument.startswith("-") and argument.endswith("=--"):
            raise WorkloadError(f"{argument} is an option without a value.", Exit.USAGE)


def _drop_output() -> None:
    """Discard buffered output, which Python would otherwise fail to flush at exit."""
    with contextlib.suppress(io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
