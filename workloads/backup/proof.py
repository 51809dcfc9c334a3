"""Determine the state of a backup: its manifest and records count only if they are about this backup.

Anyone who can write the bucket can copy a file from one backup to another. A record therefore names the backup, the
manifest and the version of the dump that were read, and is ignored for any other.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from workloads.backup.layout import Backup, State
from workloads.backup.manifest import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """The record of a successful verification; `manifest` is the digest of the manifest, `etag` that of the dump."""

    id: str
    verified_at: str
    size: int
    sha256: str
    manifest: str
    etag: str
    rows: int
    seconds: float

    def to_json(self) -> bytes:
        """Return the content of the record's object."""
        return to_json(asdict(self))


def judge(backup: Backup, manifest: Manifest, record: bytes | None) -> Backup:
    """Return the listed `backup` with the state that its `manifest` and its latest `record` prove."""
    found = _parsed(record)
    if manifest.size != backup.size:
        return replace(backup, state=State.DAMAGED)
    if backup.state is State.DAMAGED and found.get("id") == backup.id:
        return backup
    proven = backup.state is State.VERIFIED and _is_about(found, backup, manifest)
    return replace(backup, state=State.VERIFIED if proven else State.COMPLETE)


def to_json(value: object) -> bytes:
    """Return the content of a record's object."""
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


def _is_about(record: dict[str, Any], backup: Backup, manifest: Manifest) -> bool:
    claimed = (record.get("id"), record.get("manifest"), record.get("etag"), record.get("sha256"))
    return claimed == (backup.id, manifest.digest(), backup.etag, manifest.sha256)


def _parsed(record: bytes | None) -> dict[str, Any]:
    try:
        value = json.loads(record or b"{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
