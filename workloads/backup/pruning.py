"""Delete the backups that `retention` selects, and the parts of uploads whose process died.

Before a backup that counts is deleted, the one that stays as the last resort is read back, because its record may be
outdated or forged.
"""

import sys
from datetime import UTC, datetime, timedelta

from contracts import Exit
from workloads.backup import retention
from workloads.backup.layout import State
from workloads.backup.retention import Removal
from workloads.backup.store import BackupStore
from workloads.backup.verification import verify
from workloads.cli import WorkloadError


def prune(store: BackupStore, keep_for: timedelta, *, dry_run: bool = False, verified: str | None = None) -> list[str]:
    """Delete old backups and abandoned uploads, print them on stderr, and return the IDs of the backups.

    With `dry_run` nothing is deleted, and no dump is read. `verified` is a backup that was just read back.

    Raises:
        WorkloadError: The object store failed, or the last resort can't be read now; then nothing was deleted.
    """
    now = datetime.now(UTC)
    verb = "would delete" if dry_run else "deleted"
    removals = (
        retention.plan(store.backups(), now=now, retention=keep_for)
        if dry_run
        else _proven(store, now, keep_for, verified)
    )
    for removal in removals:
        if not dry_run:
            store.delete(removal.backup)
        print(f"{verb} {removal.backup.id} ({removal.backup.state}): {removal.reason}", file=sys.stderr)
    for key, upload in store.stale_uploads(now - retention.GRACE):
        if not dry_run:
            store.abort(key, upload)
        print(f"{verb} the abandoned upload of {key}", file=sys.stderr)
    return [removal.backup.id for removal in removals]


def _proven(store: BackupStore, now: datetime, keep_for: timedelta, verified: str | None) -> list[Removal]:
    """Return a plan whose last resort was read back, or that removes only half backups."""
    while True:
        backups = store.backups()
        removals = retention.plan(backups, now=now, retention=keep_for)
        last = retention.last_resort(backups)
        counting = any(removal.backup.state is not State.HALF for removal in removals)
        if not counting or last is None or last.state is State.DAMAGED or last.id == verified:
            return removals
        try:
            verify(store, last.id)
            verified = last.id
        except WorkloadError as error:
            if error.code is not Exit.NOT_VERIFIED:
                raise
            # It is recorded as damaged now, so the next best backup is read back.
            print(error, file=sys.stderr)
