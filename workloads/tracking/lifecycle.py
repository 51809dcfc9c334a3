"""The start and the end of a tracking server's pod, as its probe and its clients see them."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from mlflow.server import handlers
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import DRAINING_FILE, READY_PATH
from workloads.tracking.gate.guards import Guards
from workloads.tracking.gate.store import GatedStore

_logger: Final = logging.getLogger(__name__)
# Seconds between two attempts to open the stores.
_INTERVAL: Final = 2
_CLOSE: Final = (b"connection", b"close")


class Readiness:
    """Opens MLflow's stores before the first request, and answers the probe `GET /ready`.

    Once ready, a pod stays ready. A database that fails later fails for every pod at once: taking all pods out of the
    Service would leave clients with refused connections, while a running server tells them to retry (see failures).
    """

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
        """Open the stores, and retry until the database answers."""
        while not self._ready:
            try:
                await asyncio.to_thread(open_stores)
                self._ready = True
            except Exception:  # any error is logged, and the pod gets no requests until it is gone
                _logger.exception("The stores can't be opened; trying again in %d seconds.", _INTERVAL)
                await asyncio.sleep(_INTERVAL)


def open_stores() -> None:
    """Open MLflow's stores, which it would otherwise open on the first request."""
    # Runs and models are in one database: with a shared engine, a process needs half as many connections.
    RegistryStore._engine_map = TrackingStore._engine_map  # noqa: SLF001 - MLflow has no setting for it
    handlers._get_tracking_store()  # noqa: SLF001 - MLflow has no public function that opens it
    registry = handlers._get_model_registry_store()  # noqa: SLF001 - the same
    # MLflow only warns about a plugin that it can't load, and would go on without the gate.
    if Guards.from_environment() and not isinstance(registry, GatedStore):
        raise RuntimeError(f"The registry of class {type(registry).__name__} has no gate, but aliases are guarded.")


class Draining:
    """Adds `Connection: close` to each answer while the file exists, which the pod's pre-stop hook creates.

    Clients keep connections open between requests. If a stopping server closes one during a request, the client gets an
    error that not every client retries. New connections go to other pods.
    """

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
