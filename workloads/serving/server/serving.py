"""Load a version from its folder and serve it: for the server's command, and for a laptop."""

from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from workloads.serving.server import process, served
from workloads.serving.server.app import State, create_app
from workloads.serving.server.limits import Limits
from workloads.serving.server.metrics import Metrics
from workloads.serving.server.served import Observed, Served
from workloads.serving.watching.settings import Settings
from workloads.serving.watching.watcher import Watcher


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A version of a registered model, with its files in `folder`."""

    folder: Path
    name: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a server listens, and for how many seconds after SIGTERM."""

    host: str
    port: int
    drain: float


def serve(version: Version, limits: Limits, address: Address) -> None:
    """Serve `version` until SIGTERM or SIGINT.

    Raises:
        WorkloadError: The model can't be loaded in this environment.
    """
    metrics = Metrics(version.name, version.version)
    model = Observed(model=served.load(version.folder), watcher=_watcher(version, metrics.registry), metrics=metrics)
    state = State()
    app = create_app(Served(name=version.name, version=version.version, model=model), limits, state)
    process.run(app, state, host=address.host, port=address.port, drain=address.drain, seconds=limits.seconds)


def _watcher(version: Version, registry: CollectorRegistry) -> Watcher:
    watcher = Watcher.load(version.folder, Settings.from_environment())
    watcher.register(registry, {"model": version.name, "version": version.version})
    return watcher
