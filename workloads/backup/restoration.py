"""Restore one backup: verify it, fill a new database, compare that with the manifest, and swap it in."""

import hashlib
import time
from dataclasses import dataclass

from contracts import Exit
from workloads.backup import contents, database, interruption, target, tools, verification
from workloads.backup.manifest import Manifest
from workloads.backup.server import hold
from workloads.backup.store import BackupStore, PinnedDump
from workloads.cli import WorkloadError
from workloads.database.address import Address
from workloads.progress import bar


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Options of a restore.

    `force` replaces a database that holds tables and ends its sessions, `keep_replaced` renames it instead of dropping
    it, `owner` is the role that will own everything (by default the owner of the replaced database, else the
    connecting role), `maintenance` is the database to connect to while the target is replaced.
    """

    force: bool = False
    keep_replaced: bool = False
    owner: str | None = None
    maintenance: str = "postgres"


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """A finished restore.

    `kept` is the name of the replaced database if it was kept, `left` if it couldn't be dropped. `left_out` names the
    entries of the dump that the owner can't create, such as an administrator's extension.
    """

    id: str
    database: str
    tables: int
    rows: int
    schema_revision: str
    kept: str | None
    left: str | None
    left_out: tuple[str, ...]
    seconds: float


def restore(store: BackupStore, backup_id: str, address: Address, options: Options) -> Restored:
    """Restore a backup into the database at `address`, creating it if it is missing.

    Raises:
        WorkloadError: The target must not be replaced (`Exit.USAGE`), the backup is damaged (`Exit.NOT_VERIFIED`), or a
            service failed. The target is unchanged then.
    """
    start = time.monotonic()
    manifest = store.manifest(backup_id)
    with hold(address, options.maintenance) as server:
        found = target.look(server.connection, address, options.owner)
        target.refuse_in_use(found, address, force=options.force)
        target.refuse_older_server(server.connection, address, manifest)
        server.clean_up()
        dump = verification.check(store, manifest)
        fresh = address.of(server.fresh)
        try:
            server.create(found.owner)
            left_out = _fill(store, dump, manifest, fresh, found.owner)
            _compare(manifest, fresh)
            with interruption.put_off():
                old = server.swap(keep=options.keep_replaced, exists=found.exists, force=options.force)
                gone = not old or options.keep_replaced or server.discard(old)
        except BaseException:
            server.discard(fresh.name)
            raise
    return Restored(
        id=manifest.id,
        database=address.name,
        tables=len(manifest.rows),
        rows=sum(manifest.rows.values()),
        schema_revision=manifest.schema_revision,
        kept=old if options.keep_replaced else None,
        left=None if gone else old,
        left_out=left_out,
        seconds=round(time.monotonic() - start, 3),
    )


def _fill(store: BackupStore, dump: PinnedDump, manifest: Manifest, fresh: Address, owner: str) -> tuple[str, ...]:
    """Fill the empty database `fresh`, and return the entries that `owner` can't create in it."""
    entries = contents.read(store, dump)
    with fresh.connect() as connection:
        choice = contents.choose(connection, entries, owner)
    # Once before the tables, which may need them, and once after the schemas, which they may be in.
    missing = contents.make_extensions(store, dump, fresh, choice.extensions)
    _pour(store, dump, manifest, tools.restore(fresh, owner, choice.entries))
    missing = contents.make_extensions(store, dump, fresh, missing)
    return (*choice.left_out, *(f"EXTENSION {contents.extension(entry)}" for entry in missing))


def _pour(store: BackupStore, dump: PinnedDump, manifest: Manifest, into: tools.Tool) -> None:
    digest = hashlib.sha256()
    with into as restoring, bar(f"restore {manifest.id}", dump.size) as progress:
        for block in store.read_dump(dump):
            digest.update(block)
            if not restoring.feed(block):
                restoring.finish(Exit.DATABASE)
            progress.update(len(block))
        restoring.finish(Exit.DATABASE)
    if digest.hexdigest() != manifest.sha256:
        raise WorkloadError(f"backup {manifest.id} changed while it was restored.", Exit.NOT_VERIFIED)


def _compare(manifest: Manifest, fresh: Address) -> None:
    with fresh.connect() as connection:
        # Without statistics, MLflow's searches would be slow until the next autovacuum.
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
