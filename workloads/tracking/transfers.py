"""Artifacts pass through the server, unless every client reaches the object store itself.

With S3 behind it MLflow always offers presigned addresses, and a client then uses them for every file, even where it
can neither resolve nor reach the store, and hangs (https://github.com/mlflow/mlflow/issues/19731). So the offer is made
only where the stack says that clients reach the store.
"""

import json
import os
import re
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import Env

_SERVER_INFO: Final = re.compile(r"/(ajax-)?api/3\.0/mlflow/server-info")
_OFFERS: Final = ("multipart_uploads_enabled", "multipart_downloads_enabled")
# What makes presigned addresses (mlflow.server.handlers). A client that a variable tells to use them falls back: for a
# download because of the 501, for an upload because the message begins as MLflow's own does (mlflow.exceptions).
_DIRECT: Final = re.compile(
    r"/(ajax-)?api/2\.0/(mlflow-artifacts/(mpu|presigned)/.*|mlflow/artifacts/presigned-(up|down)load-url)", re.DOTALL
)
_REFUSAL: Final = {
    "error_code": "NOT_IMPLEMENTED",
    "message": "Multipart upload is not supported for the current artifact repository, nor are presigned addresses: "
    "artifacts are transferred through this server only. "
    "The setting mlflow.directTransfers of the stack allows presigned addresses.",
}


class Transfers:
    """Withdraws MLflow's offer of presigned addresses where the stack doesn't allow them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._direct = os.environ.get(Env.DIRECT_TRANSFERS) == "true"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if self._direct or scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _DIRECT.fullmatch(scope["path"]):
            await JSONResponse(_REFUSAL, 501)(scope, receive, send)
        # HEAD and OPTIONS have no body to change.
        elif scope["method"] == "GET" and _SERVER_INFO.fullmatch(scope["path"]):
            await self._app(scope, receive, _Withdrawing(send))
        else:
            await self._app(scope, receive, send)


class _Withdrawing:
    """Sends an answer with its offers withdrawn."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        body = _withdrawn(self._body) if self._start["status"] == 200 else self._body  # noqa: PLR2004 - OK
        headers = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _withdrawn(body: bytes) -> bytes:
    return json.dumps(json.loads(body) | dict.fromkeys(_OFFERS, False)).encode()
