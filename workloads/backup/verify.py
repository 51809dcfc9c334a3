"""Command: read a backup back and check its size, digest and rows."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from contracts import Exit
from workloads import cli
from workloads.backup import interruption, options
from workloads.backup.verification import verify

EPILOG = f"""The command reads the whole dump, compares its SHA-256 with the manifest, and counts the rows of each table
that pg_restore finds. It needs no database, and records the result beside the backup as verified.json or failed.json.

examples:
  python -m workloads.backup.verify
  python -m workloads.backup.verify 20261121T020000Z-1a2b3c4d --json

{options.ENVIRONMENT}
{options.EXIT_CODES}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.backup.verify", "Prove that a backup can be read back.", EPILOG)
    options.add_backup(parser)
    options.add_common(parser)
    args = parser.parse_args(argv)
    interruption.clean_up_when_told_to_stop()
    store = options.open_store(args)
    passed = verify(store, store.find(args.backup).id)
    if args.json:
        print(json.dumps(asdict(passed), indent=2))
    else:
        print(f"{passed.id}: verified, {options.human(passed.size)}, {passed.rows} rows, sha256 {passed.sha256}")
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
