"""A file that the object store doesn't have is a 404, which a client takes for an answer.

MLflow answers 500, and its clients ask again for four minutes before they give up, without a reason.
"""

import json
import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The ways to a file (mlflow.server and its handlers).
_FILES: Final = re.compile(
    r"/(ajax-)?api/2\.0/(mlflow-artifacts/artifacts/.*|mlflow/logged-models/[^/]+/artifacts/files)"
    r"|/(model-versions/)?get-artifact",
    re.DOTALL,
)
# What boto3 says of an object that isn't there, and what MLflow puts before each file that it could not fetch.
_ABSENT: Final = b"An error occurred (404) when calling the HeadObject operation"
_FILE: Final = b"##### File "
_ANSWER: Final = json.dumps(
    {
        "error_code": "RESOURCE_DOES_NOT_EXIST",
        "message": "There is no such file among the artifacts: it was never uploaded, or it was deleted.",
    }
).encode()
_HEADERS: Final = [(b"content-type", b"application/json"), (b"content-length", str(len(_ANSWER)).encode())]
_FAILED: Final = 500


class Absence:
    """Turns MLflow's 500 for a missing file into a 404."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "http" and scope["method"] == "GET" and _FILES.fullmatch(scope["path"]):
            send = _Judging(send)
        await self._app(scope, receive, send)


class _Judging:
    """Sends an answer on, but a failure only once all of its reason is there."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._failure: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == _FAILED:
            self._failure = message
        elif self._failure is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._end(self._failure)

    async def _end(self, failure: Message) -> None:
        if _ABSENT in self._body and self._body.count(_FILE) == 1:
            await self._send({**failure, "status": 404, "headers": _HEADERS})
            await self._send({"type": "http.response.body", "body": _ANSWER})
        else:
            await self._send(failure)
            await self._send({"type": "http.response.body", "body": self._body})
