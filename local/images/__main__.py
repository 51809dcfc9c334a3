"""The command `python -m local.images`: build images into the cache, or show the state of each."""

import json
from collections.abc import Sequence

from local import checks, cli, images
from local.progress import duration

EXAMPLES = """examples:
  python -m local.images                    build every image that is not in the cache
  python -m local.images workloads trainer  build these two, and what they stand on
  python -m local.images --list             show what would be built
  python -m local.images --json             print {name: reference} for a stack's setting `images`
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Build the named images; with `--list` only tell what is missing."""
    parser = cli.parser("local.images", "Build the platform's container images into the cache.", EXAMPLES)
    parser.add_argument("names", metavar="NAME", nargs="*", help="an image; without one, all that pods run")
    parser.add_argument("--list", action="store_true", help="build nothing; show each image and whether it is missing")
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    arguments = parser.parse_args(argv)
    names = tuple(arguments.names) or images.RUNNABLE
    checks.root()
    if arguments.list:
        _list(names, as_json=arguments.json)
        return 0
    references = images.ensure(names)
    if arguments.json:
        print(json.dumps(references, indent=2))
    else:
        print("\n".join(references.values()))
    return 0


def _list(names: Sequence[str], *, as_json: bool) -> None:
    missing = images.missing(names)
    if as_json:
        print(json.dumps(missing, indent=2))
        return
    for name in sorted({*names, *missing}):
        state = f"to build, about {duration(missing[name])}" if name in missing else "built"
        print(f"{name:16} {state}")


if __name__ == "__main__":
    cli.run(main)
