"""Names of a backup's objects and the state that they claim; `proof` checks the claims."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

DUMP = "database.dump"
MANIFEST = "manifest.json"
VERIFIED = "verified.json"
FAILED = "failed.json"

_TIME = "%Y%m%dT%H%M%SZ"
_ID = re.compile(r"(?P<time>[0-9]{8}T[0-9]{6}Z)-[0-9a-f]{8}")


class State(StrEnum):
    """The state of a backup, worst first."""

    HALF = "half"  # no manifest: still being created, or its process died
    DAMAGED = "damaged"  # its latest verification failed, or its manifest is another backup's
    COMPLETE = "complete"  # never verified
    VERIFIED = "verified"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """An object in a listing; `key` is relative to the prefix, `size` is in bytes, `etag` changes with its content."""

    key: str
    size: int
    etag: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Backup:
    """A backup in a listing; `size` in bytes and `etag` are those of the dump."""

    id: str
    started_at: datetime
    state: State
    size: int
    objects: tuple[str, ...]
    etag: str = ""


def new_id(now: datetime) -> str:
    """Return a name that sorts by time and is unique even among backups of the same second."""
    return f"{now.astimezone(UTC).strftime(_TIME)}-{secrets.token_hex(4)}"


def started_at(backup_id: str) -> datetime | None:
    """Return the start time of the backup `backup_id`, or None if that isn't the name of a backup."""
    match = _ID.fullmatch(backup_id)
    if match is None:
        return None
    try:
        return datetime.strptime(match["time"], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def group(objects: Iterable[StoredObject]) -> list[Backup]:
    """Return the backups in a listing, oldest first, ignoring other objects."""
    folders: dict[str, dict[str, StoredObject]] = {}
    for stored in objects:
        backup_id, _, name = stored.key.partition("/")
        if name and started_at(backup_id):
            folders.setdefault(backup_id, {})[name] = stored
    return [_backup(backup_id, found) for backup_id, found in sorted(folders.items())]


def _backup(backup_id: str, found: dict[str, StoredObject]) -> Backup:
    start = started_at(backup_id)
    assert start is not None, backup_id  # noqa: S101 - `group` passes only valid names
    dump = found.get(DUMP, StoredObject(key=DUMP, size=0))
    return Backup(
        id=backup_id,
        started_at=start,
        state=_claim(found),
        size=dump.size,
        etag=dump.etag,
        objects=tuple(sorted(found)),
    )


def _claim(names: Iterable[str]) -> State:
    present = set(names)
    if not {MANIFEST, DUMP} <= present:
        return State.HALF
    if FAILED in present:
        return State.DAMAGED
    return State.VERIFIED if VERIFIED in present else State.COMPLETE
