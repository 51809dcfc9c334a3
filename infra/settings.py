"""The settings of a stack: typed, checked before any resource, and the only place that reads `pulumi.Config`.

Every key and its default is explained in the stack files, `stacks/Pulumi.<environment>.yaml`. Two facts about the
machine that runs Pulumi may come from its environment instead of the stack file: KUBECONFIG (and AEGIS_CONTEXT), and
AEGIS_IMAGES, the file of image references that `make up` writes. Nothing else is read from the environment.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

import contracts
from infra.cluster.mlflow_sizing import IN_CLUSTER_CONNECTIONS, most_processes
from infra.problems import describe
from infra.quantities import gibibytes

# RFC 1123 label: what Kubernetes takes as the name of a namespace or a storage class.
_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_HOST = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?$"
_CRON = r"^([0-9A-Za-z*/,-]+ ){4}[0-9A-Za-z*/,-]+$"
_IMAGE = r"^[a-z0-9][-a-z0-9._/:]*[:@][A-Za-z0-9][-A-Za-z0-9._:]*$"


class SettingsError(pulumi.RunError):
    """The settings of the stack are wrong: the engine prints the message, without a traceback, and stops."""


def _volume_size(value: str) -> str:
    if not 1 <= gibibytes(value) <= 16 * 1024:
        raise ValueError("out of range")
    return value


def _existing_file(value: str) -> str:
    if not Path(value).is_file():
        raise ValueError("no such file")
    return value


VolumeSize = Annotated[str, AfterValidator(_volume_size)]
Label = Annotated[str, Field(pattern=_LABEL)]
Host = Annotated[str, Field(pattern=_HOST)]


class Section(BaseModel):
    """Base of every section: frozen, strict about types, camelCase in the stack file, and no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", validate_default=True, alias_generator=to_camel)


class Cluster(Section):
    """The Kubernetes cluster that the stack is deployed to."""

    kubeconfig: Annotated[str, AfterValidator(_existing_file)] = Field(
        description="the path of an existing kubeconfig file (the environment's KUBECONFIG fills in when it is not set)"
    )
    context: str | None = Field(
        default=None, min_length=1, description="a context of the kubeconfig; default: its current one"
    )
    storage_class: Label = Field(default="standard", description="the name of a StorageClass of the cluster")
    domain: Host = Field(default="cluster.local", description="the DNS domain of the cluster")


class Images(Section):
    """The reference of each image; `make up` writes them to a file, a cloud stack names its registry's."""

    postgres: str = Field(pattern=_IMAGE, description="a tagged image reference of the PostgreSQL server")
    s3: str = Field(pattern=_IMAGE, description="a tagged image reference of the S3 server")
    vault: str = Field(pattern=_IMAGE, description="a tagged image reference of the Vault server")
    mlflow: str = Field(pattern=_IMAGE, description="a tagged image reference of the MLflow server")
    workloads: str = Field(pattern=_IMAGE, description="a tagged image reference of the workloads")
    trainer: str = Field(pattern=_IMAGE, description="a tagged image reference of the trainer")


class Database(Section):
    """MLflow's database."""

    kind: Literal["in-cluster"] = Field(default="in-cluster", description="in-cluster (PostgreSQL as a StatefulSet)")
    storage: VolumeSize = Field(default="20Gi", description="a volume size from 1Gi to 16Ti, such as 20Gi")


class ArtifactStore(Section):
    """Where artifacts, backups and releases are kept."""

    kind: Literal["in-cluster"] = Field(default="in-cluster", description="in-cluster (an S3 server as a StatefulSet)")
    storage: VolumeSize = Field(default="20Gi", description="a volume size from 1Gi to 16Ti, such as 20Gi")
    region: Label = Field(default="us-west-2", description="the name of an S3 region, such as us-west-2")


class Mlflow(Section):
    """The tracking server."""

    workers: int = Field(default=4, ge=1, le=16, description="server processes of each pod, an integer from 1 to 16")
    min_replicas: int = Field(default=2, ge=1, le=50, description="the fewest pods, an integer from 1 to 50")
    max_replicas: int = Field(
        default=10,
        ge=1,
        le=50,
        description=f"the most pods, an integer from minReplicas to 50, with maxReplicas x workers at most "
        f"{most_processes(IN_CLUSTER_CONNECTIONS)} (the database's connections)",
    )
    cpu_target: int = Field(
        default=70, ge=10, le=95, description="percent of the CPU request, an integer from 10 to 95"
    )
    memory_target: int = Field(
        default=80, ge=50, le=95, description="percent of the memory request, an integer from 50 to 95"
    )
    public_hosts: list[Host] = Field(
        default=[],
        description="a list of host names, with a port where it isn't 80 or 443, under which people reach MLflow",
    )
    client_namespaces: list[Label] = Field(
        default=[], description="a list of the namespaces whose pods may reach MLflow"
    )

    @field_validator("max_replicas")
    @classmethod
    def _fits(cls, value: int, info: ValidationInfo) -> int:
        processes = value * info.data.get("workers", 1)
        if value < info.data.get("min_replicas", 1) or processes > most_processes(IN_CLUSTER_CONNECTIONS):
            raise ValueError("does not fit the other settings")
        return value


class Backup(Section):
    """The scheduled backup of the database."""

    schedule: str = Field(
        default="0 2 * * *", pattern=_CRON, description="five cron fields, in UTC, such as '0 2 * * *'"
    )
    retention_days: int = Field(
        default=30, ge=1, le=3650, description="days that a backup is kept, an integer from 1 to 3650"
    )
    suspended: bool = Field(default=False, description="true or false")


class Vault(Section):
    """The Vault that signs."""

    kind: Literal["in-cluster"] = Field(
        default="in-cluster", description="in-cluster (a Vault server as a StatefulSet)"
    )
    storage: VolumeSize = Field(default="1Gi", description="a volume size from 1Gi to 16Ti, such as 1Gi")
    key_deletion_allowed: bool = Field(
        default=False, description="true or false: whether destroying the stack may delete the signing key"
    )


class Release(Section):
    """The model that an update of the stack trains, signs and registers."""

    enabled: bool = Field(default=True, description="true or false")
    experiment: str = Field(
        default="aegis", min_length=1, max_length=500, description="the name of an MLflow experiment"
    )
    epochs: int = Field(default=3, ge=1, le=1000, description="passes over the data, an integer from 1 to 1000")
    metric: str = Field(default="val/accuracy", min_length=1, max_length=250, description="the name of a logged metric")
    goal: Literal["maximize", "minimize"] = Field(default="maximize", description="maximize or minimize")
    model_name: str = Field(
        default="aegis-classifier", pattern=r"^[^/:']+$", description="a registered model's name, without / : or '"
    )


class Settings(Section):
    """Everything that a stack file may set."""

    cluster: Cluster = Field(description="an object")
    images: Images = Field(description="an object of image references (AEGIS_IMAGES fills in when it is not set)")
    database: Database = Field(default=Database(), description="an object")
    artifact_store: ArtifactStore = Field(default=ArtifactStore(), description="an object")
    mlflow: Mlflow = Field(default=Mlflow(), description="an object")
    backup: Backup = Field(default=Backup(), description="an object")
    vault: Vault = Field(default=Vault(), description="an object")
    release: Release = Field(default=Release(), description="an object")


def load() -> Settings:
    """Return the settings of the current stack.

    Raises:
        SettingsError: Something is unknown, missing, of a wrong type or out of range; it lists every problem at once.
    """
    given = _with_environment(_given(pulumi.get_project()), os.environ)
    return parse(given, pulumi.get_project(), pulumi.get_stack())


def parse(given: Mapping[str, Any], namespace: str, stack: str) -> Settings:
    """Check the settings `given` for `stack`; `namespace` is how the stack file's keys begin."""
    try:
        return Settings.model_validate(dict(given))
    except ValidationError as error:
        problems = describe(Settings, error, namespace)
        heading = f"The settings of stack {stack} have {len(problems)} problem{'s' if len(problems) > 1 else ''}:"
        raise SettingsError("\n".join([heading, *(f"  {problem}" for problem in problems)])) from None


def _given(namespace: str) -> dict[str, Any]:
    # pulumi.Config reads keys that one knows; an unknown one shows only in the whole map.
    config = pulumi.Config(namespace)
    keys = [key.removeprefix(f"{namespace}:") for key in CONFIG.get() if key.startswith(f"{namespace}:")]
    return {key: _value(config.require(key)) for key in keys}


def _value(text: str) -> Any:  # noqa: ANN401 - a setting can be anything until it is checked
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _with_environment(given: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    cluster = given.get("cluster", {})
    if isinstance(cluster, dict):
        context = environment.get(contracts.CONTEXT_ENV)
        # Who names a context has chosen a cluster; without one, the usual file could hold anybody's.
        usual = str(Path.home() / ".kube" / "config") if context else None
        ambient = {"kubeconfig": environment.get("KUBECONFIG") or usual, "context": context}
        given = given | {"cluster": {key: value for key, value in ambient.items() if value} | cluster}
    if given.get("images"):
        return given
    images_file = environment.get(contracts.IMAGES_FILE_ENV)
    rest = {key: value for key, value in given.items() if key != "images"}
    return rest | {"images": _images(Path(images_file))} if images_file else rest


def _images(path: Path) -> Any:  # noqa: ANN401 - checked with the rest
    try:
        given = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise SettingsError(f"{contracts.IMAGES_FILE_ENV} is {path}, which is no readable JSON file: {error}") from None
    # The embedded platform has images of its own beside the stack's.
    return {name: given[name] for name in contracts.IMAGES if name in given} if isinstance(given, dict) else given
