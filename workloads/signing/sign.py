"""The command that signs a packaged archive with Vault."""

from collections.abc import Sequence

from contracts import Exit
from workloads import cli
from workloads.signing import console, packing, transit

_EPILOG = f"""\
Signs again with the newest version of the key when there are signatures already, and completes what a killed command
left. The archive must be the one that its manifest describes. Refused, with nothing changed: an archive that another
process is writing, a cosign-vN.pub of another key in the folder, and an OUT.sig that is not the archive's own.

environment:
{console.VAULT_ENVIRONMENT}

example:
  python -m workloads.signing.sign /tmp/model.tar.gz
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Sign a packaged archive."""
    parser = cli.parser("workloads.signing.sign", "Sign an archive that `package` wrote with Vault.", _EPILOG)
    console.add_archive_argument(parser, "the archive; the signatures go beside it")
    console.add_key_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    manifest = packing.sign(args.out, transit.from_environment(args.key_name, args.mount))
    console.report(args.out, manifest, as_json=args.json)
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
