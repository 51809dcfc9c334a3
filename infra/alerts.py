"""Print a stack's alerts as a rule file of Prometheus."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

import contracts
from contracts import Exit
from infra.settings import ambient, load
from infra.settings.model import Settings
from infra.settings.rules import rule_groups

_STACKS: Final = Path(__file__).resolve().parents[1] / "stacks"
_EPILOG: Final = """With monitoring.kind none, the metrics are those that the pods answer with, and those of
kube-state-metrics. The stack file is all that the command reads.

example:
  python -m infra.alerts prod > aegis-alerts.yaml
"""


class StackFileError(Exception):
    """A stack file that can't be read; the message is one line and names the file."""


def rule_file(settings: Settings) -> str:
    """Return the rule file of the stack.

    https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/#configuring-rules
    """
    return yaml.safe_dump({"groups": rule_groups(settings)}, sort_keys=False, width=sys.maxsize)


def read(stack_file: Path, stack: str) -> Settings:
    """Return the settings of a stack file, checked as the program does.

    What the file leaves to the machine is filled in with placeholders, as no alert depends on it.

    Raises:
        StackFileError: The file can't be read.
        load.SettingsError: A setting is wrong; it lists every problem.
    """
    prefix = f"{contracts.PROJECT}:"
    sections = {
        key.removeprefix(prefix): load.decode(section) if isinstance(section, str) else section
        for key, section in _config(stack_file).items()
        if key.startswith(prefix)
    }
    if not sections.get("images"):
        sections["images"] = {name: f"{name}:placeholder" for name in contracts.IMAGES}
    machine = {
        # The check asks for a file that exists, and nothing reads it.
        "KUBECONFIG": str(stack_file),
        contracts.AWS_ENDPOINT_ENV: "http://127.0.0.1:1",
    }
    return load.parse(ambient.fill_in(sections, machine, preview=False), contracts.PROJECT, stack)


def _config(stack_file: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(stack_file.read_text()).get("config") or {}
        return {str(key): section for key, section in config.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise StackFileError(f"{stack_file} can't be read: {error}") from None
    # A date that isn't in the calendar, or a number with thousands of digits, is a ValueError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise StackFileError(f"{stack_file} is not valid YAML: {' '.join(str(error).split())}") from None
    except AttributeError:
        raise StackFileError(f"{stack_file} must be an object, with an object in `config`.") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Print the rule file."""
    stacks = sorted(file.stem.removeprefix("Pulumi.") for file in _STACKS.glob("Pulumi.*.yaml"))
    parser = argparse.ArgumentParser(
        prog="python -m infra.alerts",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stack", choices=stacks, help=f"one of {', '.join(stacks)}", metavar="STACK")
    stack = parser.parse_args(argv).stack
    try:
        print(rule_file(read(_STACKS / f"Pulumi.{stack}.yaml", stack)), end="", flush=True)
    except (StackFileError, load.SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return Exit.USAGE
    except OSError as error:
        # Python must not try to write the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # The reader of a pipe may have seen enough (`... | head`).
        if not isinstance(error, BrokenPipeError):
            print(f"error: standard output can't be written: {error}", file=sys.stderr)
        return Exit.UNEXPECTED
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
