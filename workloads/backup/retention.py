"""Select the backups to delete, in pure functions, because a mistake here loses data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from workloads.backup.layout import Backup, State

# A half backup older than this was killed, because the CronJob's deadline is shorter.
GRACE = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """A backup to delete, and the reason."""

    backup: Backup
    reason: str


def plan(backups: Sequence[Backup], *, now: datetime, retention: timedelta) -> list[Removal]:
    """Return the backups to delete, oldest first.

    A backup that counts is deleted after `retention`, a half one after `GRACE`. One always stays at any age: the
    last verified backup, or the last complete one if none was verified.
    """
    last = last_resort(backups)
    removals = []
    for backup in sorted(backups, key=lambda one: one.started_at):
        age = now - backup.started_at
        if backup.state is State.HALF:
            if age > GRACE:
                removals.append(Removal(backup=backup, reason=f"unfinished after {GRACE // timedelta(hours=1)} hours"))
        elif age > retention and backup is not last:
            removals.append(Removal(backup=backup, reason=f"older than {retention.days} days"))
    return removals


def last_resort(backups: Sequence[Backup]) -> Backup | None:
    """Return the backup that stays at any age, or None if none counts."""
    for state in (State.VERIFIED, State.COMPLETE, State.DAMAGED):
        candidates = [backup for backup in backups if backup.state is state]
        if candidates:
            return max(candidates, key=lambda one: (one.started_at, one.id))
    return None
