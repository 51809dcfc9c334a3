"""Restores one backup: verified first, filled beside the target, compared with its manifest, then swapped in."""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from contracts import Exit
from workloads.backup import database, tools, verification
from workloads.backup.manifest import Manifest
from workloads.backup.progress import Progress
from workloads.backup.server import Server, Target, hold, name_beside
from workloads.backup.store import BackupStore, PinnedDump
from workloads.cli import WorkloadError
from workloads.database.address import Address


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How a restore treats what is there.

    `force` replaces a database that holds tables and ends its sessions, `keep_replaced` renames it instead of dropping
    it, `owner` is the role that everything shall belong to (by default the owner of the replaced database, else the
    connecting role), `maintenance` the database to connect to while the target is replaced.
    """

    force: bool = False
    keep_replaced: bool = False
    owner: str | None = None
    maintenance: str = "postgres"


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """A finished restore; `kept` names the replaced database where it was kept."""

    id: str
    database: str
    tables: int
    rows: int
    schema_revision: str
    kept: str | None
    seconds: float


def restore(store: BackupStore, backup_id: str, address: Address, options: Options) -> Restored:
    """Restore a backup into the database at `address`, which is created where it's missing.

    Raises:
        WorkloadError: The target holds tables and `force` isn't given (`Exit.USAGE`), the backup is damaged
            (`Exit.NOT_VERIFIED`), or a service failed. The target is then as it was.
    """
    start = time.monotonic()
    manifest = store.manifest(backup_id)
    with hold(address, options.maintenance) as server:
        target = server.look(options.owner)
        _refuse(target, address, options)
        dump = verification.check(store, manifest)
        fresh = address.of(name_beside(address.name, "restoring"))
        server.create(fresh.name, target.owner)
        try:
            _fill(store, dump, manifest, fresh, target.owner)
            _compare(manifest, fresh)
            kept = _swap_in(server, fresh, address, target, options)
        except BaseException:
            server.drop(fresh.name)
            raise
    return Restored(
        id=manifest.id,
        database=address.name,
        tables=len(manifest.rows),
        rows=sum(manifest.rows.values()),
        schema_revision=manifest.schema_revision,
        kept=kept,
        seconds=round(time.monotonic() - start, 3),
    )


def _refuse(target: Target, address: Address, options: Options) -> None:
    if options.force:
        return
    if target.tables:
        raise WorkloadError(
            f"{address} holds {target.tables} tables with {target.rows} rows: --force replaces it.", Exit.USAGE
        )
    if target.sessions:
        raise WorkloadError(
            f"{address} is empty but in use by {', '.join(target.sessions)}: stop them, or give --force.", Exit.USAGE
        )


def _fill(store: BackupStore, dump: PinnedDump, manifest: Manifest, fresh: Address, owner: str) -> None:
    digest = hashlib.sha256()
    with (
        tools.restore(fresh, owner) as restoring,
        Progress(f"restore {manifest.id}", dump.size) as progress,
    ):
        for block in store.read_dump(dump):
            digest.update(block)
            if not restoring.feed(block):
                restoring.finish(Exit.DATABASE)
            progress.add(len(block))
        restoring.finish(Exit.DATABASE)
    if digest.hexdigest() != manifest.sha256:
        raise WorkloadError(f"backup {manifest.id} changed while it was restored.", Exit.NOT_VERIFIED)


def _compare(manifest: Manifest, fresh: Address) -> None:
    with fresh.connect() as connection:
        # A restored database has no statistics: MLflow's searches would be slow until the next autovacuum.
        connection.execute("ANALYZE")
        difference = verification.compare(manifest.rows, database.row_counts(connection))
        revision = database.schema_revision(connection)
    if difference:
        raise WorkloadError(f"the restored rows differ from the manifest: {difference}.", Exit.NOT_VERIFIED)
    if revision != manifest.schema_revision:
        raise WorkloadError(
            f"the restored schema revision is {revision}, the manifest says {manifest.schema_revision}.",
            Exit.NOT_VERIFIED,
        )


def _swap_in(server: Server, fresh: Address, address: Address, target: Target, options: Options) -> str | None:
    """Swap, and return the name of the replaced database where it's kept."""
    replaced = name_beside(address.name, f"replaced_{datetime.now(UTC):%Y%m%d%H%M%S}") if target.exists else None
    server.swap(fresh.name, replaced=replaced, terminate=options.force and target.exists)
    if replaced and not options.keep_replaced:
        server.drop(replaced)
        return None
    return replaced
