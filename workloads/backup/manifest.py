"""The manifest of a backup: what the dump must hold, written by `create`, checked by `verify` and `restore`."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from contracts import Exit
from workloads.cli import WorkloadError

FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """Facts of one dump.

    `size` is in bytes, `rows` counts each table by its quoted name in the snapshot that was dumped, times are ISO 8601
    in UTC. `mlflow_version` is that of the package beside the backup command, None where there is none.
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
        """Return the manifest as the bytes of its object."""
        return json.dumps(asdict(self), indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes, name: str) -> Self:
        """Read a manifest from the object `name`.

        Raises:
            WorkloadError: It is no manifest, or one of a format that this version doesn't know.
        """
        try:
            values: dict[str, Any] = json.loads(data)
            if values["format"] != FORMAT:
                raise WorkloadError(f"{name}: format {values['format']}, but this version reads {FORMAT}.", Exit.USAGE)
            known = {field.name: values[field.name] for field in fields(cls)}
            for name_of_field, value in known.items():
                _check(name_of_field, value)
            return cls(**known)
        except (ValueError, KeyError, TypeError) as error:
            raise WorkloadError(f"{name} is no backup manifest: {error!r}", Exit.NOT_VERIFIED) from error


def _check(name: str, value: object) -> None:
    expected = {"size": int, "rows": dict, "seconds": (int, float), "format": int}.get(name, str)
    optional = name in ("mlflow_version", "git_commit")
    if not isinstance(value, expected) and not (optional and value is None):
        raise TypeError(f"{name} is {value!r}")
