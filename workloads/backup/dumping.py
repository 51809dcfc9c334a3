"""Create one backup: count, dump and upload a snapshot in one pass, and commit it with the manifest."""

import hashlib
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata

from contracts import Env, Exit
from workloads.backup import database, layout, tools
from workloads.backup.database import Snapshot
from workloads.backup.manifest import Manifest
from workloads.backup.store import BackupStore
from workloads.cli import WorkloadError
from workloads.database.address import Address
from workloads.progress import bar


def create(store: BackupStore, address: Address) -> Manifest:
    """Back up the database at `address` and return the manifest that was written.

    Raises:
        WorkloadError: The database or the object store failed, or the database isn't MLflow's. No backup counts then.
    """
    start, clock = datetime.now(UTC), time.monotonic()
    backup_id = layout.new_id(start)
    with database.snapshot(address) as snapshot:
        revision = _mlflow_revision(snapshot, address)
        client = tools.require_version("pg_dump", snapshot.server_version, "the server")
        size, sha256 = _stream(store, backup_id, address, snapshot)
    manifest = Manifest(
        id=backup_id,
        database=address.name,
        size=size,
        sha256=sha256,
        rows=snapshot.rows,
        schema_revision=revision,
        server_version=snapshot.server_version,
        client_version=client,
        mlflow_version=_mlflow_version(),
        git_commit=os.environ.get(Env.GIT_COMMIT) or None,
        started_at=start.isoformat(timespec="seconds"),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 3),
    )
    store.commit(manifest)
    return manifest


def _stream(store: BackupStore, backup_id: str, address: Address, snapshot: Snapshot) -> tuple[int, str]:
    """Upload the dump of `snapshot`; return its size in bytes and its SHA-256."""
    digest = hashlib.sha256()
    size = 0

    def read(limit: int) -> bytes:
        nonlocal size
        block = dump.output.read(limit)
        if not block:
            # Raised inside the upload, so that a failure of pg_dump aborts it.
            dump.finish(Exit.DATABASE)
        digest.update(block)
        progress.update(len(block))
        size += len(block)
        return block

    # The order matters: ending pg_dump first ends the reading that the upload waits for.
    with (
        bar(f"backup {backup_id}") as progress,
        store.upload_dump(backup_id) as send,
        tools.dump(address, snapshot.id) as dump,
    ):
        send(read)
    return size, digest.hexdigest()


def _mlflow_revision(snapshot: Snapshot, address: Address) -> str:
    # Backups of an empty database would, in time, cause every real backup to be pruned.
    if not snapshot.schema_revision:
        raise WorkloadError(
            f"{address} holds no MLflow schema (no alembic_version), so it is not backed up.", Exit.DATABASE
        )
    return snapshot.schema_revision


def _mlflow_version() -> str | None:
    """Return the MLflow version of this image, which is the tracking server's too: both have the same lock file."""
    for distribution in ("mlflow", "mlflow-skinny"):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(distribution)
    return None
