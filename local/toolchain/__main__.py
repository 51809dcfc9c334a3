"""`python -m local.toolchain`: build tools, or tell which there are."""

import json
import sys
from collections.abc import Sequence

from local import cli, progress
from local.toolchain import find
from local.toolchain.catalogue import TOOLS, module_of, select
from local.toolchain.model import Tool

_EPILOG = """\
examples:
  python -m local.toolchain                 build all that is missing
  python -m local.toolchain pulumi kubectl  build these, where they are missing, and print where they are
  python -m local.toolchain --list          tell what there is, and build nothing
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = cli.parser(
        "local.toolchain", "Find the embedded platform's tools, and build those that this machine lacks.", _EPILOG
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a tool; without any, all of them")
    parser.add_argument("--list", action="store_true", help="tell where each tool is, and build nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--keep-sources", action="store_true", help="keep what Go downloads and compiles (some 15 GB)")
    given = parser.parse_args(argv)
    tools = select(given.names or TOOLS)
    if not given.list:
        _build(tools, keep_sources=given.keep_sources)
    rows = [_row(tool) for tool in tools]
    print(json.dumps(rows, indent=2) if given.json else _table(rows))
    return 0


def _build(tools: Sequence[Tool], *, keep_sources: bool) -> None:
    names = [tool.name for tool in tools]
    if lacking := find.missing(*names):
        about = progress.duration(find.about_seconds(lacking))
        print(f"Building {', '.join(lacking)}: about {about} on 2 cores.", file=sys.stderr)
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
