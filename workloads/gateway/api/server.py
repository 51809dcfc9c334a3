"""The state of the gateway and of MLflow, for people and for probes."""

import time
from typing import Final

from fastapi import APIRouter, Request, Response

from workloads.gateway.api import observation
from workloads.gateway.api.documentation import answers, holding
from workloads.gateway.api.request import answer, asked, router
from workloads.gateway.errors import UnavailableError

routes = router("server")
probes = APIRouter(tags=["probes"], default_response_class=Response)

VERSION: Final = "1.0.0"


@routes.get(
    "/health",
    summary="State of MLflow",
    responses=answers(
        description="MLflow answers.",
        schema=holding("status", "mlflow"),
        example={"status": "healthy", "mlflow": {"status": "healthy", "milliseconds": 3.1}},
    ),
)
async def health(request: Request) -> Response:
    """Ask MLflow whether it answers, and how fast. Nobody needs to log in for it."""
    started = time.perf_counter()
    await asked(request).check_health()
    took = round((time.perf_counter() - started) * 1000, 1)
    return answer({"status": "healthy", "mlflow": {"status": "healthy", "milliseconds": took}})


@routes.get(
    "/info",
    summary="Limits of the gateway",
    responses=answers(
        description="The versions and limits.",
        schema=holding("name", "version", "limits"),
        example={"name": "aegis-gateway", "version": VERSION, "limits": {"max_body_bytes": 1048576}},
    ),
)
async def info(request: Request) -> Response:
    """Return the limits of this gateway. It doesn't ask MLflow."""
    settings = request.app.state.settings
    limits = {
        "deadline_seconds": settings.deadline_seconds,
        "predict_seconds": settings.predict_seconds,
        "max_body_bytes": settings.max_body_bytes,
        "max_predict_bytes": settings.max_predict_bytes,
        "max_artifact_bytes": settings.max_artifact_bytes,
    }
    return answer({"name": "aegis-gateway", "version": VERSION, "documentation": "/docs", "limits": limits})


@routes.get(
    "/version",
    summary="Versions",
    responses=answers(
        description="The versions of the gateway and of MLflow.",
        schema=holding("gateway", "mlflow"),
        example={"gateway": VERSION, "mlflow": "3.17.2"},
    ),
)
async def version(request: Request) -> Response:
    """Return the versions of the gateway and of MLflow."""
    return answer({"gateway": VERSION, "mlflow": await asked(request).version()})


@probes.get(
    "/livez",
    summary="Whether the process is alive",
    responses=answers(description="It is.", schema=holding("status"), example={"status": "alive"}),
)
async def livez() -> Response:
    """Answer as long as the process can. MLflow doesn't matter: a restart would not repair it."""
    return answer({"status": "alive"})


@probes.get(
    "/readyz",
    summary="Whether requests should be sent here",
    responses=answers(description="They should.", schema=holding("status"), example={"status": "ready"}),
)
async def readyz(request: Request) -> Response:
    """Answer 503 while the process stops.

    MLflow's state doesn't matter: it fails for every replica at once, and a gateway that answers 503 with Retry-After
    is better for a client than none.
    """
    if request.app.state.boundary.draining:
        raise UnavailableError("The gateway is stopping.", retry_after=1)
    return answer({"status": "ready"})


@probes.get(
    "/metrics",
    summary="Measurements",
    responses=answers(
        description="Measurements in Prometheus's format.", media_type="text/plain", schema={"type": "string"}
    ),
)
async def metrics(request: Request) -> Response:
    """Return the measurements of all worker processes."""
    return Response(request.app.state.observation.text(), media_type=observation.MEDIA_TYPE)
