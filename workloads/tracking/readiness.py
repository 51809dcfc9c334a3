"""`GET /ready`: whether the server has found its database and may be sent requests.

It says yes once and for all. A database that goes away later fails every pod at once, so taking pods out would leave
clients with refused connections, where a server that stays answers "try again" (see availability).
"""

import asyncio
import logging
from typing import Final

from mlflow.server import handlers
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import READY_PATH

_logger: Final = logging.getLogger(__name__)
# Seconds between two attempts to open the stores.
_INTERVAL: Final = 2


class Readiness:
    """Opens MLflow's stores before the first request and answers the probe."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ready = False
        self._opening: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._started(send))
        elif scope["type"] == "http" and scope["path"] == READY_PATH:
            answer = PlainTextResponse("ready" if self._ready else "no database yet", 200 if self._ready else 503)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _started(self, send: Send) -> Send:
        async def started(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._opening = asyncio.create_task(self.open())
            await send(message)

        return started

    async def open(self) -> None:
        """Open the stores, however long the database takes to be there."""
        while not self._ready:
            try:
                await asyncio.to_thread(open_stores)
                self._ready = True
            except Exception:  # whatever it is, the log has it, and the pod isn't sent requests
                _logger.exception("The stores can't be opened; trying again in %d seconds.", _INTERVAL)
                await asyncio.sleep(_INTERVAL)


def open_stores() -> None:
    """Open MLflow's stores, which it would do for the first request."""
    # Runs and models are in one database: with one engine for both, a process needs half of the connections.
    RegistryStore._engine_map = TrackingStore._engine_map  # noqa: SLF001 - MLflow has no setting for it
    handlers._get_tracking_store()  # noqa: SLF001 - made on the first request otherwise, and there is no other way
    handlers._get_model_registry_store()  # noqa: SLF001 - the same
