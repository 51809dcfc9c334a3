"""Artifact transfers through the server, unless every client reaches the object store itself.

With S3 behind it, MLflow always offers presigned addresses. Clients then use them for every file, and hang where they
can't resolve or reach the store (https://github.com/mlflow/mlflow/issues/19731). So the server makes the offer only
where the stack says that clients reach the store.
"""

import json
import os
import re
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from contracts import Env
from workloads.tracking.answer import Answer, Gathering

_SERVER_INFO: Final = re.compile(r"/(ajax-)?api/3\.0/mlflow/server-info")
_OFFERS: Final = ("multipart_uploads_enabled", "multipart_downloads_enabled")
# The routes that create presigned addresses (mlflow.server.handlers).
_DIRECT: Final = re.compile(
    r"/(ajax-)?api/2\.0/(mlflow-artifacts/(mpu|presigned)/.*|mlflow/artifacts/presigned-(up|down)load-url)", re.DOTALL
)
# A client that an environment variable tells to use them falls back: for a download because of the 501, for an upload
# because the message begins as MLflow's own does (mlflow.exceptions).
_REFUSAL: Final = Answer.error(
    HTTPStatus.NOT_IMPLEMENTED,
    "NOT_IMPLEMENTED",
    "Multipart upload is not supported for the current artifact repository, nor are presigned addresses: "
    "artifacts are transferred through this server only. "
    "The setting mlflow.directTransfers of the stack allows presigned addresses.",
)


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
            await _REFUSAL.send(send)
        # HEAD and OPTIONS have no body to change.
        elif scope["method"] == "GET" and _SERVER_INFO.fullmatch(scope["path"]):
            await self._app(scope, receive, Gathering(send, HTTPStatus.OK, _without_offers))
        else:
            await self._app(scope, receive, send)


def _without_offers(info: Answer) -> Answer:
    return info.with_body(json.dumps(json.loads(info.body) | dict.fromkeys(_OFFERS, False)).encode())
