"""The command that packages a model directory, without a signature."""

from collections.abc import Sequence

from contracts import Env, Exit
from workloads import cli
from workloads.signing import console, packing
from workloads.signing.source import source_of

_EPILOG = f"""\
The same files give the same archive, byte by byte. OUT.tar.gz.manifest.json beside it lists each file's digest, the run
and the git commit ({Env.GIT_COMMIT}). Signatures of an earlier archive are removed. Refused, with nothing changed: an
archive that another process is writing, and an OUT.sig that is not the archive's own.

example:
  python -m workloads.signing.package ./model /tmp/model.tar.gz
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Package a model directory."""
    parser = cli.parser("workloads.signing.package", "Package a model directory as a reproducible tar.gz.", _EPILOG)
    console.add_model_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    source = source_of(args.model_dir, args.run)
    with console.bar("Packaging") as progress:
        manifest = packing.package(args.model_dir, args.out, source, progress)
    console.report(args.out, manifest, as_json=args.json)
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
