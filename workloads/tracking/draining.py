"""A pod that is about to stop asks its clients to leave: each answer closes its connection.

Clients keep connections open between requests, and a connection that the server closes under a request is an error that
not every client repeats. The pod's pre-stop hook makes the file; new connections then go to other pods.
"""

from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import DRAINING_FILE

_CLOSE: Final = (b"connection", b"close")


class Draining:
    """Adds `Connection: close` to each answer while the file is there."""

    def __init__(self, app: ASGIApp, file: Path = Path(DRAINING_FILE)) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http" or not self._file.exists():
            await self._app(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], _CLOSE]}
            await send(message)

        await self._app(scope, receive, closing)
