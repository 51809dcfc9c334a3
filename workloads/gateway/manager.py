"""MLflow for async programs: experiments, models, artifacts and served models, on one pool of connections."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import httpx

from workloads.gateway.artifacts import ArtifactManager
from workloads.gateway.caller import Caller
from workloads.gateway.client import MLflowClient
from workloads.gateway.deployment import Deployment, Memory
from workloads.gateway.experiments import ExperimentTracker
from workloads.gateway.metric_batches import MetricBatches
from workloads.gateway.models import ModelRegistry
from workloads.gateway.settings import Settings
from workloads.gateway.transport import Transport
from workloads.gateway.upstream import Upstream, UpstreamPool

# Seconds that an unused connection is kept: less than the 5 s after which uvicorn, MLflow's server, closes it, so that
# no request is sent into a closing connection.
_KEPT: Final = 2.0


class _Shared:
    """What all callers' views share. Nothing of it belongs to a caller, except what is stored under the caller."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None) -> None:
        self.settings = settings
        self.transport = transport or Transport(connections=settings.connections, kept=_KEPT)
        seconds = settings.deadline_seconds
        self.mlflow = Upstream(
            "MLflow",
            settings.tracking_uri,
            self.transport,
            alive="/health",
            deadline=seconds,
            most=settings.mlflow_requests,
        )
        status = settings.serving_status
        reconciler = "The reconciler of served models"
        self.reconciler = (
            Upstream(reconciler, status, self.transport, alive="/livez", deadline=seconds) if status else None
        )
        self.services = UpstreamPool(self.transport, deadline=seconds)
        self.batches = MetricBatches()
        self.memory = Memory()

    async def aclose(self) -> None:
        await self.batches.aclose()
        await asyncio.gather(*self.memory.hints, return_exceptions=True)
        for upstream in (self.mlflow, self.reconciler):
            if upstream is not None:
                await upstream.breaker.aclose()
        await self.services.aclose()
        await self.transport.aclose()


class MLflowManager:
    """MLflow at an address, as one caller sees it.

    Use it as an async context manager, with the value of an Authorization header if MLflow asks for one:

        async with MLflowManager("http://127.0.0.1:5000") as manager:
            experiment_id = await manager.create_experiment("digits")
            started = await manager.experiments.start_run(experiment_id, name="first")
            await manager.experiments.log_params(started.run_id, {"lr": "0.1"})

    Methods raise `workloads.gateway.errors.GatewayError`.
    """

    def __init__(
        self,
        uri: str,
        *,
        authorization: str | None = None,
        settings: Settings | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        chosen = settings or Settings(tracking_uri=uri.rstrip("/"))
        caller = Caller.of({"authorization": authorization} if authorization else {})
        self._bind(_Shared(chosen, transport), caller, None)

    def _bind(self, shared: _Shared, caller: Caller, deadline: float | None) -> None:
        self._shared = shared
        self.caller = caller
        self.client = MLflowClient(shared.mlflow, caller, deadline=deadline)
        self.experiments = ExperimentTracker(self.client, shared.batches)
        self.models = ModelRegistry(self.client)
        self.artifacts = ArtifactManager(self.client, patience=shared.settings.artifact_seconds)
        self.deployment = Deployment(self.client, self.models, shared.reconciler, shared.services, shared.memory)

    def as_caller(self, headers: Mapping[str, str], *, seconds: float | None = None) -> Self:
        """Return a view with the authentication in `headers`, on the same connections.

        With `seconds`, all metadata requests of the view together end within this time.
        """
        deadline = asyncio.get_running_loop().time() + seconds if seconds is not None else None
        view = object.__new__(type(self))
        view._bind(self._shared, Caller.of(headers), deadline)
        return view

    async def create_experiment(
        self, name: str, *, description: str | None = None, tags: Mapping[str, str] | None = None
    ) -> str:
        """Create an experiment and return its ID.

        Raises:
            ConflictError: An experiment has this name.
            GatewayError: MLflow refuses, or doesn't answer.
        """
        return await self.experiments.create(name, description=description, tags_=tags)

    async def version(self) -> str:
        """Return the version of MLflow's server, which may ask for a login first.

        Raises:
            GatewayError: It refuses, or doesn't answer.
        """
        return await self.client.text("/version")

    async def check_health(self) -> None:
        """Check that MLflow's server is well, for which it asks nobody to log in.

        Raises:
            GatewayError: It isn't, or doesn't answer.
        """
        await self.client.text("/health")

    @property
    def mlflow(self) -> Upstream:
        """MLflow's server, with the state of its circuit breaker."""
        return self._shared.mlflow

    async def aclose(self) -> None:
        """Close the connections, after everything that waits to be logged is logged."""
        await self._shared.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
