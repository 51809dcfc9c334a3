"""Upload and download of a run's files."""

import logging
import posixpath
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from workloads.gateway import artifact_path, digests
from workloads.gateway.api import forms
from workloads.gateway.api.documentation import answers, holding, listed
from workloads.gateway.api.request import answer, asked, passed_on, router
from workloads.gateway.artifacts import ArtifactManager, Stored
from workloads.gateway.digests import Hashing
from workloads.gateway.errors import GatewayError, UnprocessableError
from workloads.gateway.multipart import MultipartBody, Part, boundary_of

routes = router("artifacts")
_log = logging.getLogger(__name__)

# The path of a file that is sent without one.
_UNNAMED: Final = "data"
# Characters of a field's name that an answer shows.
_SHOWN: Final = 80
_SHA256: Final = "^[0-9a-fA-F]{64}$"
_FOLDER: Final = {"type": "string", "pattern": f"^$|{artifact_path.PATTERN}"}
_DIGEST: Final = {
    "Repr-Digest": {
        "description": "The file's SHA-256 (RFC 9530); missing if a large file was not uploaded through the gateway.",
        "schema": {"type": "string"},
    }
}
_STORED: Final = {"path": "model/weights.bin", "size": 1048576, "sha256": "0" * 64}
_UPLOAD: Final[Mapping[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The bytes of one file, with its `path` in the query (or `data`), or a form of files. "
        "In a form, `path` and `sha256` come before the file that they are about.",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "path": {**_FOLDER, "description": "The folder of the files after it, which keep their names."},
                        "sha256": {
                            "type": "string",
                            "pattern": _SHA256,
                            "description": "The checksum of the next file, in hexadecimal digits.",
                        },
                        "file": {"type": "string", "format": "binary"},
                    },
                },
            },
        },
    },
    "parameters": [
        {
            "name": "Repr-Digest",
            "in": "header",
            "description": "sha-256=:BASE64: of the file (RFC 9530). A file that doesn't match is not stored.",
            "schema": {"type": "string", "pattern": digests.PATTERN},
        }
    ],
}


@routes.post(
    "/runs/{run_id}/log-artifacts",
    status_code=201,
    summary="Upload files",
    openapi_extra=dict(_UPLOAD),
    responses=answers(
        201,
        description="The files are stored.",
        schema=holding("run_id", "files"),
        example={"run_id": "5d1cb0d2ba4c4f5aa0c0f4d6a8e4d0b1", "files": [_STORED]},
        also=(409,),
    ),
)
async def log_artifacts(request: Request, run_id: forms.RunId, path: forms.ArtifactPath = None) -> Response:
    """Upload files, which pass through without being kept."""
    store = asked(request).artifacts
    content_type = request.headers.get("content-type", "")
    expected = _announced(request.headers)
    if content_type.lower().startswith("multipart/form-data"):
        stored = await _upload_form(store, run_id, _body(request), boundary_of(content_type), path or "", expected)
    else:
        content = Hashing(_body(request), expected=expected)
        stored = [await store.upload(run_id, path or _UNNAMED, content)]
    return answer({"run_id": run_id, "files": [_shown(each) for each in stored]}, 201)


@routes.get(
    "/runs/{run_id}/artifacts",
    summary="List files",
    responses=answers(
        description="The files and folders of the run, or of a folder of it.",
        schema=listed("files"),
        example={"files": [{"path": "model", "is_dir": True}]},
    ),
)
async def list_artifacts(
    request: Request, run_id: forms.RunId, path: forms.ArtifactPath = None, page_token: forms.PageToken = None
) -> Response:
    """List the files of a run."""
    return passed_on(await asked(request).artifacts.files(run_id, path=path or None, page_token=page_token))


@routes.get(
    "/runs/{run_id}/artifacts/{path:path}",
    summary="Download a file",
    responses=answers(
        description="The file.",
        media_type="application/octet-stream",
        schema={"type": "string", "format": "binary"},
        headers=_DIGEST,
        also=(409,),
    ),
)
async def download_artifact(request: Request, run_id: forms.RunId, path: forms.FilePath) -> Response:
    """Download a file of a run."""
    stack = AsyncExitStack()
    file = await stack.enter_async_context(asked(request).artifacts.download(run_id, path))
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
    if file.size is not None:
        headers["content-length"] = str(file.size)
    if file.digest is not None:
        headers[digests.HEADER] = digests.header(file.digest)
    return _Streamed(file.chunks, headers=headers, media_type=file.media_type, stack=stack)


class _Streamed(StreamingResponse):
    """A stream that ends its context, whether it was read to its end or not."""

    def __init__(self, content: AsyncIterator[bytes], *, stack: AsyncExitStack, **options: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(content, **options)
        self._stack = stack

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's types
        try:
            await super().__call__(scope, receive, send)
        except GatewayError as error:
            # The status is sent: all that is left is to end the connection before the file is whole.
            _log.warning("%s was broken off: %s", scope["path"], error.detail)
        finally:
            await self._stack.aclose()


async def _upload_form(
    store: ArtifactManager,
    run_id: str,
    chunks: AsyncIterator[bytes],
    boundary: bytes,
    folder: str,
    expected: bytes | None,
) -> list[Stored]:
    form = _Form(MultipartBody(chunks, boundary).parts(), folder, expected)
    stored: list[Stored] = []
    await form.advance()
    while (part := form.file) is not None:
        path = artifact_path.joined(form.folder, _file_name(part))
        content = Hashing(form.content(part), expected=_announced(part.headers) or form.expected)
        stored.append(await store.upload(run_id, path, content))
    if not stored:
        raise UnprocessableError("The form has no file.")
    return stored


class _Form:
    """A form of files, and of fields that are about the files after them: a folder, and the digest of the next one."""

    def __init__(self, parts: AsyncIterator[Part], folder: str, expected: bytes | None) -> None:
        self._parts = parts
        self.folder = folder
        self.expected = expected
        self.file: Part | None = None

    async def advance(self) -> None:
        """Read the fields up to the next file.

        Raises:
            UnprocessableError: A field is unknown, or no file comes after it.
        """
        field = None
        async for part in self._parts:
            if part.filename is not None:
                self.file = part
                return
            field = part.name[:_SHOWN]
            match part.name:
                case "path" | "artifact_path":
                    self.folder = await part.text()
                case "sha256":
                    self.expected = _from_hexadecimal(await part.text())
                case _:
                    raise UnprocessableError(
                        f"The form has an unknown field {field!r}. Allowed are path and sha256, each before the file "
                        "that it is about, and files, which have a filename."
                    )
        self.file = None
        if field is not None:
            raise UnprocessableError(f"No file comes after the field {field!r}, which must be before its file.")

    async def content(self, part: Part) -> AsyncIterator[bytes]:
        """Yield the content of a file, and then read the fields after it.

        Their errors come while the file isn't whole, so that it isn't stored.
        """
        async for chunk in part.content:
            yield chunk
        self.expected = None
        await self.advance()


def _file_name(part: Part) -> str:
    """Return the last part of a file's name: browsers may send a path of the user's machine."""
    return posixpath.basename((part.filename or "").replace("\\", "/"))


def _announced(headers: Mapping[str, str]) -> bytes | None:
    for name in digests.ACCEPTED:
        if (value := headers.get(name)) and (digest := digests.parse(value)):
            return digest
    return None


def _from_hexadecimal(text: str) -> bytes:
    if not re.fullmatch(_SHA256, text.strip()):
        raise UnprocessableError("The field sha256 must have 64 hexadecimal digits.")
    return bytes.fromhex(text.strip())


async def _body(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        if chunk:
            yield chunk


def _shown(stored: Stored) -> dict[str, object]:
    return {"path": stored.path, "size": stored.size, "sha256": stored.digest.hex()}
