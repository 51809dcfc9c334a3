"""The command that reads some parts once, and prints one line of JSON for each."""

import json
import sys
from collections.abc import Sequence
from importlib import import_module

from contracts import Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.monitoring.parts import PARTS

EPILOG = """A line is {"part": NAME, "samples": [[NAME, VALUE, [LABEL, ...]], ...]}, or {"part": NAME, "error": REASON}.

exit codes:
  0 whatever a part has met, 2 bad input
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.monitoring.collect", "Read figures for Prometheus, and print them.", EPILOG)
    parser.add_argument("parts", nargs="+", choices=sorted(PARTS), metavar="PART", help=", ".join(sorted(PARTS)))
    for part in parser.parse_args(argv).parts:
        print(json.dumps(_read(part)), flush=True)
    return Exit.OK


def _read(part: str) -> dict[str, object]:
    try:
        # Each source imports what only it needs, so a process takes no longer than what it is asked for.
        source = import_module(f"workloads.monitoring.sources.{part}")
        return {"part": part, "samples": [sample.to_json() for sample in source.read()]}
    except WorkloadError as error:
        return {"part": part, "error": str(error)}
    except Exception as error:  # noqa: BLE001 - a part that fails in an unknown way must not keep others from being read
        print(f"{part}: {type(error).__name__}", file=sys.stderr)
        return {"part": part, "error": f"{type(error).__name__} at its reading"}


if __name__ == "__main__":
    cli.run(main)
