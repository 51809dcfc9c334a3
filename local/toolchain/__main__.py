"""The command `python -m local.toolchain`, which builds or lists tools."""

import json
import sys
from collections.abc import Sequence

from local import cli, progress
from local.toolchain import find
from local.toolchain.catalogue import TOOLS, module_of, select
from local.toolchain.model import Tool

_EPILOG = """\
examples:
  python -m local.toolchain                 build all missing tools
  python -m local.toolchain pulumi kubectl  build these if missing, and print their paths
  python -m local.toolchain --list          list the tools, and build nothing
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = cli.parser("local.toolchain", "Find the embedded platform's tools, and build the missing ones.", _EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a tool (default: all)")
    parser.add_argument("--list", action="store_true", help="list the tools with their paths, and build nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--keep-sources", action="store_true", help="keep Go's downloads and build cache (about 15 GB)")
    arguments = parser.parse_args(argv)
    tools = select(arguments.names or TOOLS)
    if not arguments.list:
        _build(tools, keep_sources=arguments.keep_sources)
    rows = [_row(tool) for tool in tools]
    print(json.dumps(rows, indent=2) if arguments.json else _table(rows))
    return 0


def _build(tools: Sequence[Tool], *, keep_sources: bool) -> None:
    names = [tool.name for tool in tools]
    if missing := find.missing(*names):
        about = progress.duration(find.about_seconds(missing))
        print(f"Building {', '.join(missing)}: about {about} on 2 cores.", file=sys.stderr)
    find.ensure(*names, keep_sources=keep_sources)


def _row(tool: Tool) -> dict[str, str]:
    return {
        "name": tool.name,
        "version": module_of(tool).version(tool),
        "path": str(find.locate(tool) or ""),
        "purpose": tool.purpose,
    }


def _table(rows: Sequence[dict[str, str]]) -> str:
    lines = [(row["name"], row["version"], row["path"] or "not built yet", row["purpose"]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


if __name__ == "__main__":
    cli.run(main)
