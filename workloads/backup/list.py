"""Command: show the backups and what they are good for."""

import json
from collections.abc import Sequence

from contracts import Exit
from workloads import cli
from workloads.backup import options
from workloads.backup.layout import Backup, State

EPILOG = f"""states:
  verified  its latest verification read all of it, and nothing has changed since
  complete  never verified, or changed since
  damaged   its latest verification failed, and failed.json beside it has the reason; or its manifest isn't its own
  half      no manifest: being made now, or broken off; shown with --all only

{options.ENVIRONMENT}
{options.EXIT_CODES}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.backup.list", "List the backups, oldest first.", EPILOG)
    parser.add_argument("--all", action="store_true", help="show half backups too")
    options.add_common(parser)
    given = parser.parse_args(argv)
    store = options.open_store(given)
    backups = [backup for backup in store.backups() if given.all or backup.state is not State.HALF]
    if given.json:
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
