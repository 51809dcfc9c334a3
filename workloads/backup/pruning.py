"""Deletes what `retention` lets go, and the parts of uploads whose process died."""

import sys
from datetime import UTC, datetime, timedelta

from workloads.backup import retention
from workloads.backup.store import BackupStore


def prune(store: BackupStore, keep_for: timedelta, *, dry_run: bool = False) -> list[str]:
    """Delete old backups and abandoned uploads, say so on stderr, and return the IDs of the backups.

    With `dry_run` nothing is deleted.
    """
    now = datetime.now(UTC)
    verb = "would delete" if dry_run else "deleted"
    removals = retention.plan(store.backups(), now=now, retention=keep_for)
    for removal in removals:
        if not dry_run:
            store.delete(removal.backup)
        print(f"{verb} {removal.backup.id} ({removal.backup.state}): {removal.reason}", file=sys.stderr)
    for key, upload in store.stale_uploads(now - retention.GRACE):
        if not dry_run:
            store.abort(key, upload)
        print(f"{verb} the abandoned upload of {key}", file=sys.stderr)
    return [removal.backup.id for removal in removals]
