"""The HTTP server of the reconciler: what is served, metrics, probes, and hints."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from workloads.serving.reconciler.reconciler import Reconciler

# Seconds since the last turn that came to its end, after which the process isn't ready, and then not alive.
_STALE: Final = 30
_STUCK: Final = 300


@dataclass(kw_only=True)
class Pulse:
    """When the last turn was taken, and when one last came to its end, in seconds of `clock`."""

    clock: Callable[[], float]
    tried: float
    done: float | None = None

    def is_ready(self) -> bool:
        """Return whether what is told is of now."""
        return self.done is not None and self.clock() - self.done < _STALE

    def is_alive(self) -> bool:
        """Return whether turns are taken."""
        return self.clock() - self.tried < _STUCK


def create_app(reconciler: Reconciler, pulse: Pulse) -> Starlette:
    """Return the app; any process tells what the leader stored."""

    async def served(_: Request) -> Response:
        if pulse.done is None:
            return JSONResponse({"detail": "nothing was read yet"}, 503, {"Retry-After": "2"})
        return JSONResponse(sorted(reconciler.statuses.values(), key=lambda status: status["model"]))

    async def hint(_: Request) -> Response:
        reconciler.hint()
        return Response(status_code=202)

    async def metrics(_: Request) -> Response:
        return Response(reconciler.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def livez(_: Request) -> Response:
        return _said(pulse.is_alive())

    async def readyz(_: Request) -> Response:
        return _said(pulse.is_ready())

    return Starlette(
        routes=[
            Route("/served", served),
            Route("/hint", hint, methods=["POST"]),
            Route("/metrics", metrics),
            Route("/livez", livez),
            Route("/readyz", readyz),
        ]
    )


def _said(good: bool) -> Response:
    return PlainTextResponse("ok" if good else "no turn for a while", 200 if good else 503)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait until `event` is set, which is cleared, or for `seconds`."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
    event.clear()
