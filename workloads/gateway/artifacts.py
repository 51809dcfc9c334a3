"""Files of runs, streamed in constant memory, with SHA-256 checksums.

MLflow keeps no checksums. Those of small files are computed before they are sent; those of large ones are kept in a tag
of the run when they are uploaded, because a header can't wait for the end of the file.
"""

import contextlib
import hashlib
import mimetypes
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx

from workloads.gateway import artifact_path, tags
from workloads.gateway.client import MLflowClient, failure
from workloads.gateway.digests import Hashing
from workloads.gateway.document import Document
from workloads.gateway.errors import ConflictError, GatewayError, NotFoundError, UnavailableError, UpstreamError
from workloads.gateway.upstream import RETRY_AFTER, Answer

# Bytes: files up to this size are read before they are sent.
SMALL: Final = 4 << 20
_PROXIED: Final = "mlflow-artifacts:"
_FILES: Final = "/api/2.0/mlflow-artifacts/artifacts/"
_TAG: Final = "aegis.artifact."
_FOLDER: Final = "This is a folder, not a file. GET runs/RUN/artifacts?path=FOLDER lists its files."
_LONGEST_ERROR: Final = 1 << 16
_DIGEST: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """An uploaded file: its path in the run, its size in bytes, and its SHA-256 digest."""

    path: str
    size: int
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """A file that is being downloaded; `digest` and `size` are None if only its end will tell."""

    chunks: AsyncIterator[bytes]
    media_type: str
    size: int | None
    digest: bytes | None


class ArtifactManager:
    """Lists, uploads and downloads files. Every method raises GatewayError if MLflow refuses or is away.

    A transfer may take any time, but not stand still for `patience` seconds.
    """

    def __init__(self, client: MLflowClient, *, patience: float) -> None:
        self._client = client
        self._patience = patience

    async def files(self, run_id: str, *, path: str | None = None, page_token: str | None = None) -> Document:
        """Return a page of the files and folders of a run, or of a folder of it."""
        optional = {"path": path and artifact_path.checked(path), "page_token": page_token}
        params = {"run_id": run_id} | {name: value for name, value in optional.items() if value}
        return (await self._client.get("artifacts/list", params)).with_list("files")

    async def upload(self, run_id: str, path: str, content: Hashing) -> Stored:
        """Upload a file. One whose content isn't what it was announced to be is not stored.

        Raises:
            ChecksumError: The content doesn't have the expected digest.
            GatewayError: MLflow refuses, or doesn't answer.
        """
        target = _target(await self._run(run_id), path)
        async with self._client.upstream.stream(
            "PUT", target, headers=self._client.caller.headers, content=aiter(content), patience=self._patience
        ) as response:
            refusal = await _refusal(response)
        if refusal is not None:
            raise await self._explained(run_id, path, refusal)
        stored = Stored(path=path, size=content.size, digest=content.digest)
        if stored.size > SMALL:
            tag = {"run_id": run_id, "key": _tag(path), "value": f"{stored.digest.hex()} {stored.size} {path}"}
            await self._fresh.post("runs/set-tag", tag)
        return stored

    @contextlib.asynccontextmanager
    async def download(self, run_id: str, path: str) -> AsyncIterator[Download]:
        """Give a file of a run, whose chunks must be read inside the context.

        Raises:
            GatewayError: MLflow refuses, or doesn't answer; the chunks raise it if the transfer breaks off.
        """
        run = await self._run(run_id)
        async with self._client.upstream.stream(
            "GET", _target(run, path), headers=self._client.caller.headers, patience=self._patience
        ) as response:
            await _require(response)
            opened = await self._opened(response, path, tags.to_dict(run["data"].get("tags")))
            # An object store has no folders, and MLflow sends an empty file for the name of one.
            if opened.size == 0 and (await self._with_time.files(run_id, path=path))["files"]:
                raise NotFoundError(_FOLDER)
            yield opened

    async def _opened(self, response: httpx.Response, path: str, run_tags: Mapping[str, str]) -> Download:
        media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
        chunks = _chunks(response)
        start, ended = await _start(chunks)
        if ended:
            digest = hashlib.sha256(start).digest()
            return Download(chunks=_one(start), media_type=media_type, size=len(start), digest=digest)
        length = response.headers.get("content-length")
        size = int(length) if length else None
        digest = _recorded(run_tags, path, size)
        rest = _rest(start, chunks)
        # A file that was replaced without the gateway fails at its end, rather than pass for the one of the checksum.
        checked = aiter(Hashing(rest, expected=digest)) if digest else rest
        return Download(chunks=checked, media_type=media_type, size=size, digest=digest)

    async def _explained(self, run_id: str, path: str, refusal: GatewayError) -> GatewayError:
        """Return why a file can't be stored: MLflow answers 500 if a folder or a file is in its way."""
        if not isinstance(refusal, UpstreamError):
            return refusal
        view = self._with_time
        parts = path.split("/")
        for depth in range(len(parts)):
            above, name = "/".join(parts[:depth]), "/".join(parts[: depth + 1])
            listed = (await view.files(run_id, path=above))["files"]
            found = next((each for each in listed if each["path"] == name), None)
            if found is None:
                break
            if found["is_dir"] is (name == path):
                return ConflictError(f"The run has a {'folder' if found['is_dir'] else 'file'} {name!r}.")
        return refusal

    @property
    def _fresh(self) -> MLflowClient:
        """A client with a deadline of its own: the one of the request passed during the upload."""
        return MLflowClient(self._client.upstream, self._client.caller)

    @property
    def _with_time(self) -> "ArtifactManager":
        return ArtifactManager(self._fresh, patience=self._patience)

    async def _run(self, run_id: str) -> Mapping[str, Any]:
        return (await self._client.get("runs/get", {"run_id": run_id}))["run"]


def _target(run: Mapping[str, Any], path: str) -> str:
    artifact_path.checked(path)
    root = run["info"]["artifact_uri"]
    if not root.startswith(_PROXIED):
        raise ConflictError("The run's artifacts aren't served by MLflow, but kept where only clients reach them.")
    folder = root.removeprefix(_PROXIED).lstrip("/")
    return _FILES + quote(f"{folder}/{path}")


def _tag(path: str) -> str:
    return _TAG + hashlib.sha256(path.encode()).hexdigest()[:32]


def _recorded(run_tags: Mapping[str, str], path: str, size: int | None) -> bytes | None:
    digest, _, rest = run_tags.get(_tag(path), "").partition(" ")
    recorded_size, _, recorded_path = rest.partition(" ")
    same = recorded_path == path and (size is None or recorded_size == str(size))
    # Whoever may write to the run may have written the tag.
    return bytes.fromhex(digest) if same and _DIGEST.fullmatch(digest) else None


async def _require(response: httpx.Response) -> None:
    if refusal := await _refusal(response):
        raise refusal


async def _refusal(response: httpx.Response) -> GatewayError | None:
    if response.status_code == HTTPStatus.OK:
        return None
    body = b""
    async for chunk in _chunks(response):
        body += chunk
        if len(body) > _LONGEST_ERROR:
            break
    # MLflow answers 500 for a file that isn't there, and 400 for a folder.
    error = failure(Answer(status=response.status_code, headers=response.headers, body=body))
    if b"refers to a directory" in body:
        return NotFoundError(_FOLDER)
    missing = response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR and b"No such file" in body
    return NotFoundError("The run has no such file.") if missing else error


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.TransportError as error:
        raise UnavailableError("MLflow broke off in the middle of a file.", retry_after=RETRY_AFTER) from error


async def _start(chunks: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """Return the first chunks of a file, more than SMALL bytes unless the file ends before, and whether it did."""
    start = bytearray()
    async for chunk in chunks:
        start += chunk
        if len(start) > SMALL:
            return bytes(start), False
    return bytes(start), True


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _rest(start: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in chunks:
        yield chunk
