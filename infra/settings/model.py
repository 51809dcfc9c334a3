"""`Settings`: all sections of a stack file, and the facts that depend on several of them."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from infra.capabilities.artifacts.settings import ArtifactStore
from infra.capabilities.backup.settings import Backup
from infra.capabilities.cluster.settings import Cluster
from infra.capabilities.database.settings import Database
from infra.capabilities.gateway.settings import Gateway
from infra.capabilities.images.settings import Images
from infra.capabilities.monitoring.settings import Monitoring
from infra.capabilities.promotion.settings import Promotion
from infra.capabilities.release.settings import Release
from infra.capabilities.serving.settings import Serving
from infra.capabilities.signing.settings import Vault
from infra.capabilities.teams.settings import Team
from infra.capabilities.tracking.settings import Mlflow
from infra.capabilities.training.settings import Trainer
from infra.limits.alerts import Alert, Recording
from infra.limits.flows import Flow, Server
from infra.limits.grants import Store, Workload
from infra.limits.scraping import Target
from infra.settings.aws import Aws, Egress, Environment
from infra.settings.capability import Capability
from infra.settings.localhost import Localhost
from infra.settings.logs import Logs
from infra.settings.section import Section


class Settings(Section):
    """All settings of a stack file."""

    environment: Environment | None = Field(default=None, description="an object, required for resources in AWS")
    aws: Aws | None = Field(default=None, description="an object, required for resources in AWS")
    cluster: Cluster = Field(description="an object")
    images: Images = Field(description="an object of image references (default: the JSON file that AEGIS_IMAGES names)")
    database: Database = Field(default=Database(), description="an object")
    artifact_store: ArtifactStore = Field(default=ArtifactStore(), description="an object")
    egress: Egress = Field(default=Egress(), description="an object")
    mlflow: Mlflow = Field(default=Mlflow(), description="an object")
    backup: Backup = Field(default=Backup(), description="an object")
    vault: Vault = Field(default=Vault(), description="an object")
    trainer: Trainer = Field(default=Trainer(), description="an object")
    release: Release = Field(default=Release(), description="an object")
    promotion: Promotion = Field(default=Promotion(), description="an object")
    serving: Serving = Field(default=Serving(), description="an object")
    gateway: Gateway = Field(default=Gateway(), description="an object")
    logs: Logs = Field(default=Logs(), description="an object")
    monitoring: Monitoring = Field(default=Monitoring(), description="an object")
    localhost: Localhost | None = Field(
        default=None, description="an object; default: servers are reached by their addresses in the cluster"
    )
    teams: list[Team] = Field(default=[], max_length=100, description="a list of at most 100 objects")

    @property
    def only_repositories(self) -> bool:
        """True if the stack has only image repositories, because no images have been pushed yet."""
        return self.aws is not None and self.aws.only_repositories

    @property
    def uses_aws(self) -> bool:
        """True if the stack has resources in AWS."""
        return self.database.kind == "rds" or self.artifact_store.kind == "s3" or self.cluster.eks_name is not None

    @property
    def aws_server(self) -> Server | None:
        """The AWS API, the end of the flows of the pods that call it; None if the stack has nothing in AWS."""
        return self.aws.api.server(self.egress.aws) if self.uses_aws and self.aws is not None else None

    @property
    def has_emulated_aws(self) -> bool:
        """True if calls to AWS go to an emulated API, at least in this preview."""
        return self.aws is not None and self.aws.api.is_emulated

    @property
    def servers_in_cluster(self) -> Mapping[str, bool]:
        """Whether each server that can also be elsewhere runs in the cluster, by the name of its image."""
        return {
            "postgres": self.database.kind == "in-cluster",
            "s3": self.artifact_store.kind == "in-cluster",
            "vault": self.vault.kind == "in-cluster",
        }

    @property
    def stores_in_aws(self) -> frozenset[Store]:
        """The stores in AWS to which grants apply."""
        in_aws = {
            Store.BUCKETS: self.artifact_store.kind == "s3",
            Store.DATABASE_LOGIN: self.database.auth == "iam",
            Store.DATABASE_SECRET: self.database.kind == "rds",
            Store.REPOSITORIES: self.serving.pushes_to_aws(self),
        }
        return frozenset(store for store, is_in_aws in in_aws.items() if is_in_aws)

    def capabilities(self) -> Iterator[Capability]:
        """Yield the section of each capability."""
        for name in type(self).model_fields:
            yield from self._capabilities(name)

    def flows(self) -> tuple[Flow, ...]:
        """Return every network flow between the platform's pods and servers."""
        return tuple(flow for capability in self.capabilities() for flow in capability.flows(self))

    def identities(self) -> tuple[Workload, ...]:
        """Return every workload with an identity."""
        return tuple(workload for capability in self.capabilities() for workload in capability.identities(self))

    def alerts(self) -> dict[str, tuple[Alert, ...]]:
        """Return the alerts of the capabilities that have any, by the key of the section."""
        alerts = {
            field.alias or name: tuple(
                alert for capability in self._capabilities(name) for alert in capability.alerts(self)
            )
            for name, field in type(self).model_fields.items()
        }
        return {section: of_section for section, of_section in alerts.items() if of_section}

    def recordings(self) -> tuple[Recording, ...]:
        """Return the series that Prometheus computes for the alerts."""
        return tuple(each for capability in self.capabilities() for each in capability.recordings(self))

    def targets(self) -> tuple[Target, ...]:
        """Return the servers whose figures Prometheus reads; none if nothing is monitored."""
        if not self.monitoring.enabled:
            return ()
        return tuple(target for capability in self.capabilities() for target in capability.targets(self))

    def _capabilities(self, name: str) -> Iterator[Capability]:
        value = getattr(self, name)
        yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, Capability))
