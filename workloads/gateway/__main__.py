"""Run the gateway."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from contracts import GATEWAY_PORT, Env
from workloads import cli
from workloads.gateway.api.connection import Connection
from workloads.gateway.api.observation import MULTIPROCESS
from workloads.gateway.app import create_app, drain_first
from workloads.gateway.settings import Settings

# Seconds for requests in flight after the port is closed; longer transfers are broken off.
_GRACE: Final = 30
_EPILOG: Final = f"""\
environment variables:
  {Env.TRACKING_URI}      the address of MLflow
  {Env.SERVING_STATUS}   the address of the reconciler of served models; without it, no model is served
  AEGIS_GATEWAY_*          times and limits, described in docs/gateway.md

example:
  {Env.TRACKING_URI}=http://127.0.0.1:5000 python -m workloads.gateway --host 127.0.0.1 --workers 2
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal, and return 0."""
    parser = cli.parser("workloads.gateway", "Serve MLflow's HTTP gateway.", _EPILOG)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - a container's own network
    parser.add_argument("--port", type=_port, default=GATEWAY_PORT, help="port to listen on")
    parser.add_argument("--workers", type=_workers, default=1, help="number of processes")
    arguments = parser.parse_args(argv)
    # Errors in settings end here with one line, not in every worker.
    Settings.from_environment()
    # An end by SIGTERM is what was asked for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="aegis-gateway-") as folder:
        if arguments.workers > 1:
            os.environ.setdefault(MULTIPROCESS, folder)
        uvicorn.run(
            "workloads.gateway.__main__:app",
            factory=True,
            host=arguments.host,
            port=arguments.port,
            workers=arguments.workers,
            loop="uvloop",
            http=Connection,
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
        )
    return 0


def app() -> FastAPI:
    """Return the app of a worker process, which fails its readiness before it stops."""
    made = create_app(Settings.from_environment())
    serve = made.router.lifespan_context

    @asynccontextmanager
    async def draining(served: FastAPI) -> AsyncIterator[None]:
        drain_first(served)
        async with serve(served):
            yield

    made.router.lifespan_context = draining
    return made


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:  # noqa: PLR2004 - the ports of TCP
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:  # noqa: PLR2004 - more than any pod has cores
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes from 1 to 64")
    return int(text)


if __name__ == "__main__":
    cli.run(main)
