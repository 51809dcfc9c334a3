"""Command: restore a backup in place of MLflow's database."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from contracts import DATABASE_NAME, MLFLOW_NAMESPACE, Exit
from workloads import cli
from workloads.backup import interruption, options, restoration
from workloads.backup.restoration import Restored
from workloads.database.address import Address

EPILOG = f"""The backup is verified, restored into a new database beside the target, compared with its manifest, and
then takes the target's name in one transaction. A restore that fails leaves the target unchanged. It needs room for
both databases, and a role that can create databases. It doesn't restore grants, settings of the database, or entries
that only an administrator can create, such as most extensions, which it names. It drops what a killed restore left.

examples:
  python -m workloads.backup.restore                               # the latest backup; the database is gone or empty
  python -m workloads.backup.restore 20261121T020000Z-1a2b3c4d --force
  PGDATABASE=drill python -m workloads.backup.restore              # a drill beside the live database

{options.DATABASE_ENVIRONMENT}
{options.CONSISTENCY}
{options.EXIT_CODES}"""

# `pulumi up` alone would not run a migration again that has completed.
NEXT = f"""next:
  1. If MLflow is newer than this backup, migrate its schema again:
     kubectl -n {MLFLOW_NAMESPACE} delete jobs -l app.kubernetes.io/name=migration && pulumi up --refresh
  2. Restart MLflow, whose sessions have ended:
     kubectl -n {MLFLOW_NAMESPACE} rollout restart deployment/mlflow"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.backup.restore", "Restore a backup of MLflow's database.", EPILOG)
    options.add_backup(parser)
    parser.add_argument("--force", action="store_true", help="replace a database that holds tables; end its sessions")
    parser.add_argument(
        "--keep-replaced",
        action="store_true",
        help="rename the replaced database instead of dropping it",
    )
    parser.add_argument(
        "--owner",
        type=options.name,
        metavar="ROLE",
        help="owner of everything (default: that of the replaced database, else PGUSER)",
    )
    parser.add_argument(
        "--maintenance-database",
        type=options.name,
        default="postgres",
        metavar="NAME",
        help="database to connect to while the target is replaced",
    )
    options.add_common(parser)
    args = parser.parse_args(argv)
    interruption.clean_up_when_told_to_stop()
    store = options.open_store(args)
    address = Address.from_env()
    how = restoration.Options(
        force=args.force, keep_replaced=args.keep_replaced, owner=args.owner, maintenance=args.maintenance_database
    )
    done = restoration.restore(store, store.find(args.backup).id, address, how)
    if args.json:
        print(json.dumps(asdict(done), indent=2))
    else:
        print(_summary(done))
    # A drill leaves MLflow's database as it is.
    if done.database == DATABASE_NAME:
        print(NEXT, file=sys.stderr)
    return Exit.OK


def _summary(done: Restored) -> str:
    parts = [
        f"{done.id}: restored {done.tables} tables with {done.rows} rows into database {done.database}",
        f"schema {done.schema_revision}",
        f"{done.seconds:.1f} s",
    ]
    if done.kept:
        parts.append(f"the replaced one is now {done.kept}")
    if done.left:
        parts.append(f"the replaced one is left as {done.left} until the next restore or backup drops it")
    if done.left_out:
        parts.append(f"left out, because only an administrator can create it: {', '.join(done.left_out)}")
    return ", ".join(parts)


if __name__ == "__main__":
    cli.run(main)
