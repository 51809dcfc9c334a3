"""Prove that a backup can be read back, unchanged and with every row of the snapshot."""

import hashlib
import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from contracts import Exit
from workloads.backup import layout, proof, tools
from workloads.backup.manifest import Manifest
from workloads.backup.proof import Verification
from workloads.backup.store import BackupStore, PinnedDump
from workloads.cli import WorkloadError
from workloads.progress import bar

# The line before the rows of a table; names are quoted where SQL needs it.
_COPY = re.compile(rb'COPY ((?:"(?:[^"]|"")+"|[^". ]+)\.(?:"(?:[^"]|"")+"|[^" ]+)) .*FROM stdin;\n')
_END = b"\\.\n"


def verify(store: BackupStore, backup_id: str) -> Verification:
    """Verify a backup and record the result beside it.

    Raises:
        WorkloadError: It is damaged (`Exit.NOT_VERIFIED`), which is recorded too, or it can't be read now.
    """
    start = time.monotonic()
    try:
        manifest = store.manifest(backup_id)
        dump = check(store, manifest)
    except WorkloadError as error:
        if error.code is Exit.NOT_VERIFIED:
            failure = {"id": backup_id, "failed_at": _now(), "reason": str(error)}
            store.record(backup_id, layout.FAILED, proof.to_json(failure), instead_of=layout.VERIFIED)
        raise
    passed = Verification(
        id=backup_id,
        verified_at=_now(),
        size=manifest.size,
        sha256=manifest.sha256,
        manifest=manifest.digest(),
        etag=dump.etag,
        rows=sum(manifest.rows.values()),
        seconds=round(time.monotonic() - start, 3),
    )
    store.record(backup_id, layout.VERIFIED, passed.to_json(), instead_of=layout.FAILED)
    return passed


def check(store: BackupStore, manifest: Manifest) -> PinnedDump:
    """Read the whole dump and return the version that was read, so that a restore takes the same.

    Raises:
        WorkloadError: Its size, SHA-256 or rows differ from the manifest, or pg_restore can't read it.
    """
    tools.require_version("pg_restore", manifest.client_version, "the pg_dump of this backup")
    dump = store.pin_dump(manifest.id)
    if dump.size != manifest.size:
        raise _damaged(manifest, f"the dump has {dump.size} bytes, its manifest says {manifest.size}")
    digest = hashlib.sha256()
    with (
        ThreadPoolExecutor(max_workers=1) as pool,
        tools.script() as reader,
        bar(f"verify {manifest.id}", dump.size) as progress,
    ):
        counting = pool.submit(count_rows, reader.output)
        for block in store.read_dump(dump):
            digest.update(block)
            reader.feed(block)
            progress.update(len(block))
        if digest.hexdigest() != manifest.sha256:
            raise _damaged(manifest, f"the dump's SHA-256 is {digest.hexdigest()}, its manifest says {manifest.sha256}")
        reader.finish(Exit.NOT_VERIFIED)
        difference = compare(manifest.rows, counting.result())
    if difference:
        raise _damaged(manifest, f"the dump's rows differ from its manifest: {difference}")
    return dump


def count_rows(script: Iterable[bytes]) -> dict[str, int]:
    """Return the number of rows per table in the lines of a script by pg_restore.

    Each line is one row, because COPY's text format escapes line breaks.
    https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2
    """
    counts: dict[str, int] = {}
    lines = iter(script)
    for line in lines:
        match = _COPY.fullmatch(line)
        if match:
            counts[match[1].decode()] = sum(1 for _ in iter(lambda: next(lines, _END), _END))
    return counts


def compare(expected: dict[str, int], found: dict[str, int]) -> str | None:
    """Return the first differences between two row counts as text, or None if they are equal."""
    names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if not names:
        return None
    shown = [f"{name}: {found.get(name, 'none')} instead of {expected.get(name, 'none')}" for name in names[:3]]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _damaged(manifest: Manifest, reason: str) -> WorkloadError:
    return WorkloadError(f"backup {manifest.id} is damaged: {reason}.", Exit.NOT_VERIFIED)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
