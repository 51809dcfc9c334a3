"""A reconciler on a Kubernetes in memory, a real MLflow store and a folder of records, with a clock that tests move."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

import contracts
from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.registered import SignedModel
from workloads.release.folder import Folder
from workloads.serving.reconciler.cluster import Cluster
from workloads.serving.reconciler.ledger import RolloutLedger, history
from workloads.serving.reconciler.reconciler import Reconciler
from workloads.serving.reconciler.registry import Registry
from workloads.serving.rollout import names, objects
from workloads.serving.rollout.site import Site
from workloads.serving.wanted import Wanted

_START = 1_700_000_000
SITE = Site(namespace="serving", image="localhost/aegis/serving:1", tracking_uri="http://mlflow:5000")


@dataclass(kw_only=True)
class Platform:
    """`errors` has the share of failed requests by version. `set_back` are seconds by which the wall clock was."""

    model: SignedModel
    store: Folder
    kubernetes: FakeKubernetes
    loop: asyncio.Runner
    now: float = _START
    set_back: float = 0
    leads: bool = True
    errors: dict[str, float] = field(default_factory=dict)
    reconciler: Reconciler = field(init=False)
    trusted: list[Any] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def of(cls, model: SignedModel, folder: Path, kubernetes: FakeKubernetes) -> Iterator[Self]:
        with asyncio.Runner() as loop:
            platform = cls(model=model, store=Folder(root=folder), kubernetes=kubernetes, loop=loop)
            platform.trusted = [model.signer.public_key()]
            platform.restart()
            yield platform

    def restart(self) -> None:
        """Start a new process, which knows nothing."""
        self.loop.run(self._start())

    def want(self, wanted: Wanted, source: str = contracts.STACK_SOURCE, asked: str | None = None) -> None:
        labels = {contracts.WANTED_LABEL: "true", contracts.SOURCE_LABEL: source}
        found = objects.config_map("serving", f"{source}-{names.label(wanted.model)}", labels, {})
        found["data"] = {contracts.WANTED_KEY: wanted.to_text()}
        found["metadata"]["annotations"] = {names.ASKED: asked} if asked else {}
        self.kubernetes.put("configmaps", found)

    def unwant(self, source: str = contracts.STACK_SOURCE) -> None:
        del self.kubernetes.objects["configmaps", f"{source}-{names.label(self.model.name)}"]

    def turn(self, seconds: float = 2) -> None:
        """Take a turn, wait for what it began, and let the cluster do its work."""
        self.loop.run(self._turn())
        self.kubernetes.progress()
        self.now += seconds

    def turns(self, number: int) -> None:
        for _ in range(number):
            self.turn()

    def until(self, version: str, most: int = 40) -> None:
        """Take turns until a version is served."""
        for _ in range(most):
            self.turn()
            if self.route() == version and self.status()["state"] == "serving":
                return
        raise AssertionError(self.status())

    def status(self) -> dict[str, Any]:
        return self.reconciler.statuses[names.state(self.model.name)]

    def route(self) -> str | None:
        """Return the version that the Service selects, or "canary"."""
        service = self.kubernetes.of("services").get(names.label(self.model.name))
        selector = service["spec"]["selector"] if service else {}
        return "canary" if names.TRAFFIC in selector else selector.get(names.VERSION)

    def steps(self) -> list[str]:
        found = history(self.store, self.model.name, self.trusted)
        return [f"{each.decision.action} {each.decision.to_version or each.decision.from_version}" for each in found]

    def metrics(self) -> str:
        return self.reconciler.metrics.text().decode()

    async def _start(self) -> None:
        self.reconciler = Reconciler(
            cluster=Cluster(client=self.kubernetes.client(), namespace="serving", may_write=lambda: self.leads),
            registry=Registry(self.model.tracking, lambda: self.trusted),
            ledger=RolloutLedger(store=self.store, signer=self.model.signer, trusted=lambda: self.trusted),
            site=SITE,
            http=httpx.AsyncClient(transport=httpx.MockTransport(self._metrics)),
            clock=lambda: self.now - self.set_back,
            ticks=lambda: self.now,
        )

    async def _turn(self) -> None:
        await self.reconciler.turn(leads=self.leads)
        await self.reconciler.settle()

    def _metrics(self, request: httpx.Request) -> httpx.Response:
        version = request.url.host.split(".")[2]
        requests = round(100 * (self.now - _START))
        failed = round(requests * self.errors.get(version, 0))
        labels = f'model="m",version="{version}",route="/invocations"'
        text = (
            f'# TYPE aegis_model_server_requests counter\naegis_model_server_requests_total{{{labels},status="200"}} '
            f'{requests - failed}\naegis_model_server_requests_total{{{labels},status="500"}} {failed}\n'
        )
        return httpx.Response(200, text=text)


def memory_of(kubernetes: FakeKubernetes, model: str) -> dict[str, Any]:
    """Return what the reconciler stored about a model."""
    return json.loads(kubernetes.of("configmaps")[names.state(model)]["data"]["memory.json"])
