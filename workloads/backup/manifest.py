"""The manifest of a backup, which describes its dump; `create` writes it, `verify` and `restore` check it."""

import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final, Self

from contracts import Exit
from workloads.cli import WorkloadError

FORMAT = 1
# In bytes: MLflow's sixty tables take three thousand.
LARGEST: Final = 1024 * 1024


class OtherFormatError(WorkloadError):
    """The manifest has a format that this version doesn't know; the backup may be sound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """Facts of one dump.

    `size` is in bytes, `rows` counts each table by its quoted name in the snapshot that was dumped, times are ISO 8601
    in UTC. `mlflow_version` is that of the package in the backup's image, None if it has none.
    """

    id: str
    database: str
    size: int
    sha256: str
    rows: dict[str, int]
    schema_revision: str
    server_version: str
    client_version: str
    mlflow_version: str | None
    git_commit: str | None
    started_at: str
    finished_at: str
    seconds: float
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Return the content of the manifest's object."""
        return json.dumps(asdict(self), indent=2, sort_keys=True).encode() + b"\n"

    def digest(self) -> str:
        """Return the SHA-256 of the manifest, which links the record of a verification to it."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @classmethod
    def from_json(cls, data: bytes, name: str) -> Self:
        """Read a manifest from the object `name`.

        Raises:
            OtherFormatError: It has a format that this version doesn't know.
            WorkloadError: It isn't a manifest.
        """
        try:
            values: dict[str, Any] = json.loads(data)
            if values["format"] != FORMAT:
                raise OtherFormatError(
                    f"{name} has format {values['format']}, but this version reads only {FORMAT}.", Exit.USAGE
                )
            read = {field.name: values[field.name] for field in fields(cls)}
            for name_of_field, value in read.items():
                _check(name_of_field, value)
            return cls(**read)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise WorkloadError(f"{name} is not a backup manifest: {error!r}", Exit.NOT_VERIFIED) from error


def _check(name: str, value: object) -> None:
    if value is None and name in ("mlflow_version", "git_commit"):
        return
    if not _RULES.get(name, _is_text)(value):
        raise TypeError(f"{name} is {value!r}")


def _is_text(value: object) -> bool:
    # JSON allows half of a surrogate pair, which can't be written as UTF-8.
    return isinstance(value, str) and not re.search("[\0\ud800-\udfff]", value)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def _is_time(value: object) -> bool:
    return isinstance(value, str) and bool(datetime.fromisoformat(value))


def _is_version(value: object) -> bool:
    # The version of a pre-release is "18beta1", for example.
    return isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}[0-9a-z.]*", value) is not None


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_rows(value: object) -> bool:
    return isinstance(value, dict) and all(_is_text(table) and _is_count(count) for table, count in value.items())


_RULES: Final[dict[str, Callable[[object], bool]]] = {
    "size": _is_count,
    "sha256": _is_digest,
    "rows": _is_rows,
    "server_version": _is_version,
    "client_version": _is_version,
    "started_at": _is_time,
    "finished_at": _is_time,
    "seconds": _is_duration,
    "format": _is_count,
}
