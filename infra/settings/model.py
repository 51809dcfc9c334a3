"""All sections of a stack's settings."""

from pydantic import Field

from infra.settings.cluster import Cluster, Images
from infra.settings.environment import Aws, Environment
from infra.settings.localhost import Localhost
from infra.settings.section import Section
from infra.settings.stores import ArtifactStore, Backup, Database, Egress
from infra.settings.workloads import Mlflow, Release, Team, Trainer, Vault


class Settings(Section):
    """Everything that a stack file may set."""

    environment: Environment | None = Field(default=None, description="an object; needed by everything in AWS")
    aws: Aws | None = Field(default=None, description="an object; needed by everything in AWS")
    cluster: Cluster = Field(description="an object")
    images: Images = Field(description="an object of image references (AEGIS_IMAGES fills in when it is not set)")
    database: Database = Field(default=Database(), description="an object")
    artifact_store: ArtifactStore = Field(default=ArtifactStore(), description="an object")
    egress: Egress = Field(default=Egress(), description="an object")
    mlflow: Mlflow = Field(default=Mlflow(), description="an object")
    backup: Backup = Field(default=Backup(), description="an object")
    vault: Vault = Field(default=Vault(), description="an object")
    trainer: Trainer = Field(default=Trainer(), description="an object")
    release: Release = Field(default=Release(), description="an object")
    localhost: Localhost | None = Field(
        default=None, description="an object; default: the servers are named by their addresses in the cluster"
    )
    teams: list[Team] = Field(default=[], max_length=100, description="a list of at most 100 objects")

    @property
    def only_repositories(self) -> bool:
        """Whether the stack is at its first step, at which there are no images to run yet."""
        return self.aws is not None and self.aws.only_repositories

    @property
    def uses_aws(self) -> bool:
        """Whether anything of the stack is in AWS."""
        return self.database.kind == "rds" or self.artifact_store.kind == "s3" or self.cluster.eks_name is not None
