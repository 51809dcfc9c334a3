"""The command `python -m local.images`, which builds images, delivers them to an existing cluster, or lists them."""

import json
import os
from collections.abc import Mapping, Sequence

import contracts
from local import checks, cli, existing, images
from local.progress import duration

EXAMPLES = """examples:
  python -m local.images                    build every image that isn't in the cache
  python -m local.images workloads trainer  build these two, and their bases
  python -m local.images --list             show what would be built
  python -m local.images --json             print {name: reference} for a stack's setting `images`
  AEGIS_CONTEXT=kind-aegis python -m local.images s3
                                            build it and copy it to that cluster (see `python -m local.up --help`)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Build the named images, or with `--list` only show what is missing."""
    parser = cli.parser(
        "local.images", "Build the platform's container images, with AEGIS_CONTEXT for an existing cluster.", EXAMPLES
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="an image (default: all that pods run)")
    parser.add_argument("--list", action="store_true", help="build nothing; show each image and whether it is missing")
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    arguments = parser.parse_args(argv)
    context = os.environ.get(contracts.CONTEXT_ENV)
    names = tuple(arguments.names) or (contracts.IMAGES if context else images.RUNNABLE)
    if not context:
        checks.root()
    if arguments.list:
        missing = existing.absent(context, names) if context else images.missing(names)
        _list(names, missing, as_json=arguments.json)
        return 0
    references = existing.deliver(context, names) if context else images.ensure(names)
    if arguments.json:
        print(json.dumps(references, indent=2))
    else:
        print("\n".join(references.values()))
    return 0


def _list(names: Sequence[str], missing: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(missing, indent=2))
        return
    for name in sorted({*names, *missing}):
        state = f"to build, about {duration(missing[name])}" if missing.get(name) else "built"
        print(f"{name:16} {'to copy to the cluster' if missing.get(name) == 0 else state}")


if __name__ == "__main__":
    cli.run(main)
