"""Command: list the backups and their states."""

import json
from collections.abc import Sequence

from contracts import Exit
from workloads import cli
from workloads.backup import options
from workloads.backup.layout import Backup, State

EPILOG = f"""states:
  verified  its latest verification read all of it, and it hasn't changed since
  complete  never verified, or changed since
  damaged   its latest verification failed, and failed.json beside it has the reason; or its manifest is another's
  half      no manifest: still being created, or broken off; shown only with --all

{options.ENVIRONMENT}
{options.EXIT_CODES}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.backup.list", "List the backups, oldest first.", EPILOG)
    parser.add_argument("--all", action="store_true", help="show half backups too")
    options.add_common(parser)
    args = parser.parse_args(argv)
    store = options.open_store(args)
    backups = [backup for backup in store.backups() if args.all or backup.state is not State.HALF]
    if args.json:
        print(json.dumps([_as_json(backup) for backup in backups], indent=2))
        return Exit.OK
    for backup in backups:
        print(
            f"{backup.id}  {backup.started_at:%Y-%m-%d %H:%M:%S} UTC  {options.human(backup.size):>9}  {backup.state}"
        )
    if not backups:
        print(f"no backups under {store}")
    return Exit.OK


def _as_json(backup: Backup) -> dict[str, object]:
    return {
        "id": backup.id,
        "started_at": backup.started_at.isoformat(),
        "size": backup.size,
        "state": backup.state,
    }


if __name__ == "__main__":
    cli.run(main)
