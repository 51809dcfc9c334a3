"""The gateway as a FastAPI app."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

import httpx
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from workloads.gateway import page
from workloads.gateway.api import artifacts, experiments, models, runs, server, serving
from workloads.gateway.api.boundary import Boundary, State
from workloads.gateway.api.observation import Observation
from workloads.gateway.api.problems import answer_with_problems
from workloads.gateway.manager import MLflowManager
from workloads.gateway.settings import Settings

_DESCRIPTION = """\
MLflow's experiments, runs, artifacts and models, and predictions of served models, with one deadline, one form of
errors, and the caller's own rights: the gateway passes the Authorization header on and has no rights itself.

Errors are problems of [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457). A 503 carries Retry-After.
"""


def create_app(settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """Return the app. Its connections open with its lifespan, and close after the last request."""
    manager = MLflowManager(settings.tracking_uri, settings=settings, transport=transport)
    app = FastAPIOffline(
        redoc_url=None,
        static_url="/docs/files",
        title="Aegis gateway",
        version=server.VERSION,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    state = State()
    observation = Observation(in_flight=lambda: state.in_flight, circuit_open=lambda: manager.mlflow.breaker.is_open)
    app.state.settings = settings
    app.state.manager = manager
    app.state.boundary = state
    app.state.observation = observation
    for router in (runs.routes, experiments.routes, models.routes, serving.routes, artifacts.routes, server.routes):
        app.router.routes.extend(router.routes)
    app.router.routes.extend(server.probes.routes)
    if settings.page:
        page.mount(app, manager, seconds=settings.deadline_seconds)
    answer_with_problems(app)
    app.add_middleware(Boundary, settings=settings, state=state, observation=observation)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with app.state.manager:
        yield


def drain_first(app: FastAPI) -> None:
    """Make SIGTERM fail the readiness first, and stop the server some seconds later, when nobody sends requests.

    Call it in the process of the server, after the server has installed its own handler.
    """
    stop = signal.getsignal(signal.SIGTERM)
    loop = asyncio.get_running_loop()

    def begin(number: int, frame: FrameType | None) -> None:
        app.state.boundary.draining = True
        if callable(stop):
            loop.call_soon_threadsafe(loop.call_later, app.state.settings.drain_seconds, stop, number, frame)

    signal.signal(signal.SIGTERM, begin)
