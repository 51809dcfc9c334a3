"""The ages of the backups."""

from collections.abc import Iterator

from contracts import BACKUPS_PREFIX
from workloads.backup.layout import State
from workloads.backup.store import BackupStore
from workloads.monitoring import stores
from workloads.monitoring.samples import Sample


def read() -> Iterator[Sample]:
    """Yield the starts of the newest whole backup and of the newest that was verified; nothing without backups."""
    store = stores.of("backups")
    with store.keys():
        found = BackupStore(store.bucket, BACKUPS_PREFIX).backups()
    whole = [each for each in found if each.state in (State.COMPLETE, State.VERIFIED)]
    verified = [each.started_at.timestamp() for each in whole if each.state is State.VERIFIED]
    if whole:
        newest = max(each.started_at.timestamp() for each in whole)
        yield Sample(name="aegis_backup_newest_timestamp_seconds", value=newest)
        yield Sample(name="aegis_backup_newest_verified_timestamp_seconds", value=max(verified, default=0))
