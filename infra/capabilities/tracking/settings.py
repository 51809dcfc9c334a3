"""Settings of the tracking server."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

import contracts
from infra.capabilities.tracking import alerts
from infra.capabilities.tracking.alerts import at_maximum, too_few_pods
from infra.capabilities.tracking.grants import MIGRATION_WORKLOAD, SERVER_WORKLOAD
from infra.limits.alerts import Alert, Recording
from infra.limits.connections import JOBS, LEAST_POOL, SURGE, demand, fitting_pool, most_replicas
from infra.limits.connections import ConnectionPool as Pool
from infra.limits.flows import MLFLOW, MLFLOW_METRICS, MLFLOW_PODS, Flow, Networks, Pods
from infra.limits.grants import Workload
from infra.limits.quantities import mebibytes
from infra.limits.scraping import Target
from infra.settings.capability import Scaled, aws_flows
from infra.settings.names import Alias
from infra.settings.section import Host, Label, MemorySize, Network, Section

if TYPE_CHECKING:
    from infra.settings.model import Settings

MIGRATION: Final = Pods(contracts.MLFLOW_NAMESPACE, "migration")


class ConnectionPool(Section):
    """SQLAlchemy's pool of each server process."""

    size: int = Field(ge=1, le=50, description="connections that stay open, an integer from 1 to 50")
    overflow: int = Field(
        ge=1,
        le=50,
        description="additional connections under load, an integer from 1 to 50 (MLflow reads 0 as not set)",
    )


class Mlflow(Scaled):
    """The tracking server. The database must have connections for maxReplicas pods."""

    workers: int = Field(default=4, ge=1, le=16, description="server processes of each pod, an integer from 1 to 16")
    pool: ConnectionPool | None = Field(
        default=None, description="an object; default: an equal share of the database's connections for each process"
    )
    tmp_size: MemorySize = Field(
        default="4Gi", description="a size such as 4Gi: each pod's volume for staging whole uploads and downloads"
    )
    largest_artifact: MemorySize = Field(
        default="1Gi",
        description="a size such as 1Gi: tmpSize must hold it once for each worker, and the release's volume twice",
    )
    direct_transfers: bool = Field(
        default=False,
        description="true or false: whether clients transfer files by presigned URLs of the object store, which is "
        "faster but needs every client to reach the store; with false, files pass through the server",
    )
    guarded_aliases: list[Alias] = Field(
        default=["champion", "candidate", "production"],
        description="a list of the aliases, in any case, that only model versions with a valid signature and unchanged "
        "files may get; AN EMPTY LIST SWITCHES THIS CHECK OFF: any client may then give any version any alias",
    )
    guarded_stages: list[Literal["Staging", "Production"]] = Field(
        default=["Staging", "Production"],
        description="a list of the stages, Staging and Production, that only such versions may get; AN EMPTY LIST "
        "SWITCHES THIS CHECK OFF",
    )
    public_hosts: list[Host] = Field(
        default=[],
        description="a list of the lower-case host names or IPv4 addresses under which people reach MLflow, without a "
        "scheme, and with the port unless it is 80 or 443",
    )
    client_namespaces: list[Label] = Field(
        default=[], description="a list of the namespaces whose pods may reach MLflow"
    )
    client_networks: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, that may reach MLflow's pods, such as a "
        "load balancer's subnets",
    )

    def connection_pool(self, database_connections: int) -> Pool:
        """Return the pool of each server process: the one in the settings, or the largest that the database allows."""
        if self.pool is not None:
            return Pool(size=self.pool.size, overflow=self.pool.overflow)
        return fitting_pool(self.workers, self.max_replicas, database_connections)

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each problem of the tracking server's settings."""
        yield from self.scaling_problems("mlflow")
        yield from self._connection_problems(settings)
        needed = self.workers * mebibytes(self.largest_artifact)
        if mebibytes(self.tmp_size) < needed:
            yield (
                f"mlflow.tmpSize: got {self.tmp_size}, but each of {self.workers} workers may stage an artifact of "
                f"{self.largest_artifact}; allowed: at least {needed}Mi, or fewer workers, or a smaller largestArtifact"
            )

    def _connection_problems(self, settings: "Settings") -> Iterator[str]:
        database = settings.database
        try:
            limit = database.connections
        except ValueError:
            # The database's section reports an unknown instance class.
            return
        pool = LEAST_POOL if self.pool is None else self.connection_pool(limit)
        needed = demand(self.workers, self.max_replicas, pool)
        if needed <= limit:
            return
        in_cluster = database.kind == "in-cluster"
        server = "the database in the cluster" if in_cluster else database.instance_class
        most = most_replicas(self.workers, limit, pool)
        remedies = [
            *([f"at most {most}"] if most >= self.min_replicas else []),
            *(["fewer workers"] if self.workers > 1 else []),
            *(["a smaller pool"] if self.pool is not None else []),
            "more database.memory" if in_cluster else "a larger database",
        ]
        yield (
            f"mlflow.maxReplicas: got {self.max_replicas}, which needs {needed} database connections "
            f"(({self.max_replicas} + {SURGE} in a rollout) x {self.workers} workers x ({pool.size} + {pool.overflow}) "
            f"of a pool + {JOBS} for jobs), and {server} accepts {limit}; allowed: {', or '.join(remedies)}"
        )

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of the tracking server and the migration, and those of the callers in the settings."""
        yield Flow(MLFLOW_PODS, settings.database.server)
        yield Flow(MIGRATION, settings.database.server)
        if settings.aws_server is not None:
            yield Flow(MIGRATION, settings.aws_server)
        yield Flow(MLFLOW_PODS, settings.artifact_store.server(settings))
        yield from aws_flows(settings, MLFLOW_PODS, SERVER_WORKLOAD)
        yield from (Flow(Pods(namespace), MLFLOW) for namespace in self.client_namespaces)
        yield from (Flow(Networks((network,)), MLFLOW) for network in self.client_networks)

    def identities(self, settings: "Settings") -> Iterator[Workload]:  # noqa: ARG002 - the same for all settings
        """Yield the tracking server and the migration."""
        yield from (SERVER_WORKLOAD, MIGRATION_WORKLOAD)

    def alerts(self, settings: "Settings") -> Iterator[Alert]:
        """Yield the alerts on the tracking server."""
        yield too_few_pods(max(1, self.min_available))
        yield alerts.migration_failed(MIGRATION)
        # With equal bounds the autoscaler is always at its maximum.
        if self.min_replicas < self.max_replicas:
            yield at_maximum(self.max_replicas)
        if settings.monitoring.enabled:
            yield from (alerts.down(), alerts.slow(), alerts.failing())
            yield from alerts.burning(settings.monitoring.slo.objective)

    def recordings(self, settings: "Settings") -> Iterator[Recording]:
        """Yield the rates with which the objective of the answers is computed."""
        if settings.monitoring.enabled:
            yield from alerts.recordings(settings.monitoring.slo.objective)

    def targets(self, settings: "Settings") -> Iterator[Target]:  # noqa: ARG002 - the same for all settings
        """Yield the tracking server's own figures."""
        yield Target(job="mlflow", server=MLFLOW_METRICS)
