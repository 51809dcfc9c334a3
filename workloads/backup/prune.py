"""Command: delete old backups."""

import json
from collections.abc import Sequence
from datetime import timedelta

from contracts import Exit
from workloads import cli
from workloads.backup import options, pruning, retention

EPILOG = f"""Half backups and abandoned uploads are deleted after {retention.GRACE // timedelta(hours=1)} hours.
The last verified backup always stays, however old it is. If none was ever verified, the last complete one stays.
It is read back before any other is deleted; a dry run reads no dump.

examples:
  python -m workloads.backup.prune --retention-days 30 --dry-run

{options.ENVIRONMENT}
{options.EXIT_CODES}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.backup.prune", "Delete old and half backups.", EPILOG)
    parser.add_argument("--retention-days", type=options.days, default=30, metavar="N", help="days to keep a backup")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be deleted")
    options.add_common(parser)
    args = parser.parse_args(argv)
    store = options.open_store(args)
    removed = pruning.prune(store, timedelta(days=args.retention_days), dry_run=args.dry_run)
    if args.json:
        print(json.dumps({"removed": removed, "dry_run": args.dry_run}, indent=2))
    else:
        print(f"{len(removed)} backups {'would be ' if args.dry_run else ''}deleted")
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
