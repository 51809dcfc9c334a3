"""Command: create a backup, and optionally verify it and prune old ones, as the nightly CronJob does."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from contracts import Exit
from workloads import cli
from workloads.backup import interruption, options, pruning, server
from workloads.backup.dumping import create
from workloads.backup.verification import verify
from workloads.database.address import Address

EPILOG = f"""examples:
  python -m workloads.backup.create
  python -m workloads.backup.create --verify --retention-days 30   # what the CronJob runs

{options.DATABASE_ENVIRONMENT}
{options.CONSISTENCY}
{options.EXIT_CODES}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.backup.create", "Stream a dump of MLflow's database to the backups bucket.", EPILOG)
    parser.add_argument("--verify", action="store_true", help="read the backup back and check it")
    parser.add_argument(
        "--retention-days",
        type=options.days,
        metavar="N",
        help="then delete backups older than N days, but never the last verified one; after a failure delete nothing",
    )
    options.add_common(parser)
    args = parser.parse_args(argv)
    interruption.clean_up_when_told_to_stop()
    store = options.open_store(args)
    address = Address.from_env()
    manifest = create(store, address)
    server.clean_up(address)
    verified = verify(store, manifest.id).id if args.verify else None
    pruned = pruning.prune(store, timedelta(days=args.retention_days), verified=verified) if args.retention_days else []
    if args.json:
        print(json.dumps({"backup": asdict(manifest), "verified": args.verify, "pruned": pruned}, indent=2))
    else:
        verdict = ", verified" if args.verify else ""
        print(
            f"{manifest.id}: {options.human(manifest.size)}, {len(manifest.rows)} tables, "
            f"{sum(manifest.rows.values())} rows, schema {manifest.schema_revision}{verdict}, "
            f"{len(pruned)} old ones deleted"
        )
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
