"""Run the reconciler: take turns while leading, answer over HTTP, and hand the Lease over at the end."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import httpx
import uvicorn
from lightkube import AsyncClient

from contracts import RECONCILER, RECONCILER_PORT, Env
from workloads import cli, messages
from workloads.mlflow_client import Tracking
from workloads.release import store
from workloads.serving.reconciler import app as apps
from workloads.serving.reconciler.app import Pulse
from workloads.serving.reconciler.cluster import ERRORS, Cluster, has_kserve
from workloads.serving.reconciler.lease import Leadership
from workloads.serving.reconciler.ledger import RolloutLedger
from workloads.serving.reconciler.reconciler import Reconciler
from workloads.serving.reconciler.registry import Registry
from workloads.serving.reconciler.settings import Settings
from workloads.signing import keys, signer

# Seconds between turns while something is under way, and while all is as it should be; and between renewals.
_BUSY: Final = 0.5
_IDLE: Final = 2.0
_RENEWAL: Final = 2.0
# Seconds for an answer of MLflow: a slow one must not use up the time for which the one before counts.
_MLFLOW_TIMEOUT: Final = "10"

_log = logging.getLogger(__name__)


async def run(settings: Settings, host: str) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        WorkloadError: An environment variable is missing or wrong.
        ApiError, HTTPError: The API server refuses or doesn't answer at the start.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", _MLFLOW_TIMEOUT)
    async with _reconciler(settings) as (reconciler, leadership):
        pulse = Pulse(clock=time.monotonic, tried=time.monotonic())
        app = apps.create_app(reconciler, pulse)
        config = uvicorn.Config(
            app, host=host, port=RECONCILER_PORT, log_config=None, access_log=False, timeout_graceful_shutdown=5
        )
        server = uvicorn.Server(config)
        tasks = [asyncio.create_task(_lead(leadership)), asyncio.create_task(_turns(reconciler, leadership, pulse))]
        try:
            # Returns after a signal.
            await server.serve()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await leadership.release()


@contextlib.asynccontextmanager
async def _reconciler(settings: Settings) -> AsyncIterator[tuple[Reconciler, Leadership]]:
    tracking = Tracking(cli.require_env(Env.TRACKING_URI, "the address of MLflow, such as http://mlflow:5000"))
    ledger = RolloutLedger(
        store=store.from_environment(), signer=signer.from_environment(), trusted=lambda: keys.trusted([])
    )
    client, http = AsyncClient(namespace=settings.site.namespace), httpx.AsyncClient(trust_env=False)
    try:
        leadership = Leadership(
            client=client,
            namespace=settings.site.namespace,
            name=RECONCILER,
            identity=socket.gethostname(),
            clock=time.monotonic,
        )
        kserve = settings.kserve and await has_kserve(client, settings.site.namespace)
        yield (
            Reconciler(
                cluster=Cluster(
                    client=client, namespace=settings.site.namespace, may_write=leadership.holds, kserve=kserve
                ),
                registry=Registry(tracking, lambda: keys.trusted([])),
                ledger=ledger,
                site=replace(settings.site, kserve=kserve),
                http=http,
                clock=time.time,
                ticks=time.monotonic,
                limits=settings.limits,
            ),
            leadership,
        )
    finally:
        await http.aclose()
        await client.close()


async def _lead(leadership: Leadership) -> None:
    while True:
        before = leadership.holds()
        try:
            leads = await leadership.renew()
        except Exception:  # noqa: BLE001 - without this task, the process would never lead again
            _log.exception("The Lease can't be renewed.")
            leads = leadership.holds()
        if leads != before:
            _log.warning("%s %s", leadership.identity, "leads" if leads else "does not lead any more")
        await asyncio.sleep(_RENEWAL)


async def _turns(reconciler: Reconciler, leadership: Leadership, pulse: Pulse) -> None:
    while True:
        pulse.tried = pulse.clock()
        busy = False
        try:
            busy = await reconciler.turn(leads=leadership.holds())
            pulse.done = pulse.clock()
        except ERRORS as error:
            _log.warning("the API server: %s", messages.plain(str(error)))
        except Exception:  # noqa: BLE001 - see below
            # A process that ends would only begin again with the same objects.
            _log.exception("A turn failed.")
        await apps.wait(reconciler.wake, _BUSY if busy else _IDLE)
