"""The signed manifest of a model: its files, the origin of the model, and the key that signed it.

It lies beside the model's archive and in the tags of the model's version, so the archive's stream can be checked from
the first byte, and the files in the registry without the archive.
"""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from aegis.errors import NotVerifiedError
from aegis.strict import parse_json, to_json

SCHEMA = "aegis.model-archive/v1"
# Nested folders. Deeper than any model's, and within the limits of every tool that walks through them.
DEEPEST = 100
_SHA256_HEX = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedFile:
    """A file of the model: its path inside, its size in bytes and its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """The key that signed: its transit mount and name, its version, and the SHA-256 of its public DER in hex."""

    mount: str
    name: str
    version: int
    fingerprint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The content and origin of an archive.

    `source` is free-form: the MLflow run, its metrics and the git commit. `key` is None until the archive is signed.
    """

    model: str
    archive_sha256: str
    archive_size: int
    files: tuple[PackedFile, ...]
    source: Mapping[str, Any]
    key: SigningKey | None = None

    @property
    def content_sha256(self) -> str:
        """One digest of all files: the SHA-256 of their listing by `sha256sum`, in order.

        It doesn't depend on the compression, so it is the same for archives made on different machines.
        """
        return content_digest(self.files)

    def to_bytes(self) -> bytes:
        """Return the manifest file; equal manifests give equal bytes."""
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "model": self.model,
            "archive": {"sha256": self.archive_sha256, "size": self.archive_size},
            "content": {
                "sha256": self.content_sha256,
                "files": len(self.files),
                "size": sum(file.size for file in self.files),
            },
            "files": [asdict(file) for file in self.files],
            "source": dict(self.source),
        }
        if self.key is not None:
            content["key"] = asdict(self.key)
        return to_json(content)


def content_digest(files: Sequence[PackedFile]) -> str:
    """Return the SHA-256 in hex of the `sha256sum` listing of `files`."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.sha256}  {file.path}\n".encode())
    return digest.hexdigest()


def parse(content: bytes, name: str) -> Manifest:
    """Read a manifest file.

    Raises:
        NotVerifiedError: It isn't a manifest of this schema, or it names paths that an archive must not hold.
    """
    fields = parse_json(content, name)
    if fields.get("schema") != SCHEMA:
        raise NotVerifiedError(f"{name} is not a manifest of {SCHEMA}.")
    try:
        manifest = Manifest(
            model=_text(fields["model"]),
            archive_sha256=_digest(fields["archive"]["sha256"]),
            archive_size=_size(fields["archive"]["size"]),
            files=tuple(_file(entry) for entry in fields["files"]),
            source=_object(fields["source"]),
            key=_key(fields["key"]) if "key" in fields else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotVerifiedError(f"{name} is not a manifest: {error} is missing or wrong.") from error
    paths = [PurePosixPath(file.path) for file in manifest.files]
    if paths != sorted(set(paths)):
        raise NotVerifiedError(f"{name} lists a file twice or not in order.")
    if manifest.to_bytes() != content:
        raise NotVerifiedError(f"{name} is not in the form in which manifests are written.")
    return manifest


def path_problem(path: str) -> str | None:
    """Return why an archive must not hold `path`, or None if it may."""
    parts = path.split("/")
    if path.startswith("/"):
        return "is an absolute path"
    if ".." in parts:
        return "leads out of the archive"
    if not is_text(path) or "" in parts or "." in parts:
        return "is not a plain relative path"
    if len(parts) - 1 > DEEPEST:
        return f"lies more than {DEEPEST} folders deep"
    return None


def is_text(name: str) -> bool:
    """Return whether `name` can be written as UTF-8 and holds no control character."""
    return not any(unicodedata.category(character) in {"Cc", "Cs"} for character in name)


def _file(entry: Mapping[str, Any]) -> PackedFile:
    path = entry["path"]
    if not isinstance(path, str):
        raise ValueError(f"path {path!r}")
    if problem := path_problem(path):
        raise NotVerifiedError(f"the manifest lists {path!r}, which {problem}")
    return PackedFile(path=path, size=_size(entry["size"]), sha256=_digest(entry["sha256"]))


def _key(fields: Mapping[str, Any]) -> SigningKey:
    return SigningKey(
        mount=_text(fields["mount"]),
        name=_text(fields["name"]),
        version=_size(fields["version"]),
        fingerprint=_digest(fields["fingerprint"]),
    )


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"object {value!r}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"text {value!r}")
    return value


def _digest(value: object) -> str:
    if not isinstance(value, str) or len(value) != _SHA256_HEX or not set(value) <= set("0123456789abcdef"):
        raise ValueError(f"digest {value!r}")
    return value


def _size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"size {value!r}")
    return value
