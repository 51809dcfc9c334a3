"""Command: read a backup back and check its size, its digest and its rows."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from contracts import Exit
from workloads import cli
from workloads.backup import interruption, options
from workloads.backup.verification import verify

EPILOG = f"""The whole dump is read, its SHA-256 compared with the manifest, and the rows that pg_restore finds in it
are counted per table. No database is needed. The result is recorded beside the backup as verified.json or failed.json.

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
    given = parser.parse_args(argv)
    interruption.clean_up_when_told_to_stop()
    store = options.open_store(given)
    passed = verify(store, store.find(given.backup).id)
    if given.json:
        print(json.dumps(asdict(passed), indent=2))
    else:
        print(f"{passed.id}: verified, {options.human(passed.size)}, {passed.rows} rows, sha256 {passed.sha256}")
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
