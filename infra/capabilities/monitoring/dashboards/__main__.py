"""Write the dashboards into a folder, for a Grafana that the stack doesn't give them to."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts import Exit
from infra.capabilities.monitoring.dashboards import by_name

_EPILOG = """Grafana's page imports each file: Dashboards, New, Import.

example:
  python -m infra.capabilities.monitoring.dashboards dashboards
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.capabilities.monitoring.dashboards",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="the folder for the files, which is created if it is missing")
    folder = parser.parse_args(argv).folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in by_name().items():
            file = folder / f"{name}.json"
            file.write_text(f"{text}\n")
            print(file)
    except OSError as error:
        print(f"error: {folder} can't be written: {error.strerror}", file=sys.stderr)
        return Exit.UNEXPECTED
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
