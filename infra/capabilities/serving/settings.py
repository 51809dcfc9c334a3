"""Settings of the served models."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

import contracts
from infra.capabilities.serving.alerts import (
    differs,
    drifted,
    failing,
    leaderless,
    rolled_back,
    slow,
    unanswered,
    unavailable,
    unverified,
)
from infra.capabilities.serving.grants import DELIVERY_WORKLOAD, RECONCILER_WORKLOAD
from infra.limits.alerts import Alert
from infra.limits.flows import (
    API_SERVER,
    DELIVERY_PODS,
    MLFLOW,
    MODELS,
    RECONCILER,
    RECONCILER_PODS,
    Flow,
    Pods,
    Server,
    outside,
)
from infra.limits.grants import Workload
from infra.limits.scraping import Target
from infra.settings.capability import Capability
from infra.settings.names import Alias, Model
from infra.settings.section import Cpu, Label, MemorySize, Repository, Section, Subdomain

if TYPE_CHECKING:
    from infra.settings.model import Settings

_CHAMPION: Final = "champion"


def _servable(value: str) -> str:
    # The command line writes a version of a model as NAME@ALIAS.
    if "@" in value:
        raise ValueError("a separator")
    return value


class Canary(Section):
    """How a new version is tried beside the served one, and what it must keep to."""

    percent: int = Field(
        default=10, ge=1, le=50, description="percent of the requests that it answers, an integer from 1 to 50"
    )
    seconds: int = Field(
        default=10, ge=1, le=86_400, description="seconds for which it is tried, an integer from 1 to 86400"
    )
    max_error_rate: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="the most by which its share of failed requests may exceed that of the served version, a number "
        "from 0 to 1",
    )
    max_latency_ratio: float = Field(
        default=2.0,
        ge=1,
        le=100,
        description="the greatest ratio of its 95th percentile of latency to that of the served version, a number "
        "from 1 to 100",
    )

    def wanted(self) -> dict[str, Any]:
        """Return the part of a wanted model that the reconciler reads."""
        return self.model_dump()


class ServedModel(Section):
    """A registered model that is served: the version that an alias names, or a fixed one."""

    name: Annotated[Model, AfterValidator(_servable)] = Field(
        description="the name of a registered model: 1 to 255 bytes of printable characters without / : @ or ', and "
        "not . or .."
    )
    alias: Alias | None = Field(
        default=None,
        description="the alias of the served version: 1 to 255 letters, digits, _ and -, not `latest` or a version "
        f"such as v1; default: {_CHAMPION}, unless version is set",
    )
    version: int | None = Field(
        default=None, ge=1, description="the number of the served version, an integer from 1, instead of an alias"
    )
    replicas: int = Field(default=2, ge=1, le=50, description="pods, an integer from 1 to 50")
    cpu: Cpu = Field(default="500m", description="the CPU request of a pod, such as 500m or 2")
    memory: MemorySize = Field(default="1Gi", description="the memory request and limit of a pod, a size such as 1Gi")
    canary: Canary | None = Field(
        default=Canary(), description="an object, or null to replace the served version without a trial"
    )

    def wanted(self) -> dict[str, Any]:
        """Return the object that the reconciler reads (workloads/serving/wanted.py)."""
        return {
            "model": self.name,
            "alias": (self.alias or _CHAMPION) if self.version is None else None,
            "version": None if self.version is None else str(self.version),
            "replicas": self.replicas,
            "resources": {"cpu": self.cpu, "memory": self.memory},
            "canary": None if self.canary is None else self.canary.wanted(),
        }


class Watch(Section):
    """What a model server watches of its inputs, and from when on they differ from those of the training."""

    privacy: Literal["figures", "samples", "off"] = Field(
        default="figures",
        description="figures (only counts are kept), samples (also the last inputs, in memory) or off",
    )
    rate: float = Field(
        default=1.0, ge=0, le=1, description="the share of the requests whose inputs are counted, a number from 0 to 1"
    )
    seconds: int = Field(
        default=3600,
        ge=60,
        le=30 * 86_400,
        description="the time that is looked back, in seconds, an integer from 60 to 2592000",
    )
    minimum: int = Field(
        default=100, ge=20, le=1_000_000, description="the least samples to judge, an integer from 20 to 1000000"
    )
    psi: float = Field(
        default=0.2,
        gt=0,
        le=10,
        description="the least population stability index of a drift, a number above 0 and up to 10",
    )

    def environment(self) -> dict[str, str]:
        """Return the environment variables that the model servers read."""
        return {f"{contracts.WATCH_ENV_PREFIX}{name.upper()}": str(value) for name, value in self.model_dump().items()}


class Serving(Capability):
    """The served models, and how their versions reach the pods that answer."""

    enabled: bool = Field(default=False, description="true or false: whether models are served")
    models: list[ServedModel] = Field(
        default=[],
        max_length=100,
        description="a list of at most 100 objects: the models that the stack serves; others are served by the command "
        "line or the gateway",
    )
    delivery: Literal["volume", "image"] = Field(
        default="volume",
        description="volume (a Job downloads each version to a volume, which one node mounts) or image (a Job pushes "
        "an image of each version to a registry)",
    )
    storage_class: Subdomain | None = Field(
        default=None, description="volume only: the name of a StorageClass; default: cluster.storageClass"
    )
    repository: Repository | None = Field(
        default=None,
        description="image only: a repository with its registry and without a tag, such as "
        "registry.example.com/aegis/models; default: in AWS, a repository that the stack creates",
    )
    unverified: Literal["keep", "remove"] = Field(
        default="keep",
        description="keep or remove: what becomes of a served version that doesn't verify any more, as when its key "
        "was revoked; with keep it answers on",
    )
    start_timeout: int = Field(
        default=300,
        ge=30,
        le=7200,
        description="seconds until the servers of a new version must be ready, image pull and loading included, an "
        "integer from 30 to 7200; a version that isn't ready by then is taken back",
    )
    watch: Watch = Field(default=Watch(), description="an object")
    kserve: Literal["auto", "off"] = Field(
        default="auto",
        description="auto (a model is an InferenceService where the cluster has KServe) or off (a Deployment always)",
    )
    client_namespaces: list[Label] = Field(
        default=[],
        description="a list of the namespaces whose pods may reach the model servers and the reconciler besides the "
        "gateway, such as Prometheus's; teams reach the model servers",
    )

    def pushes_to_aws(self, settings: "Settings") -> bool:
        """Whether deliveries push images to a repository that the stack creates in AWS."""
        return self.enabled and self.delivery == "image" and self.repository is None and settings.uses_aws

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each problem of the served models' settings."""
        names = Counter(model.name for model in self.models)
        for name in sorted(name for name, count in names.items() if count > 1):
            yield f'serving.models: got "{name}" {names[name]} times; allowed: each model once'
        for index, model in enumerate(self.models):
            if model.alias is not None and model.version is not None:
                yield (
                    f'serving.models[{index}].version: got {model.version} with alias "{model.alias}"; allowed: only '
                    "one of the two"
                )
        for key, value, delivery in (
            ("storageClass", self.storage_class, "volume"),
            ("repository", self.repository, "image"),
        ):
            if value is not None and self.delivery != delivery:
                yield f"serving.{key}: set with delivery {self.delivery}; allowed only with delivery {delivery}"
        if self.enabled:
            yield from self._delivery_problems(settings)

    def _delivery_problems(self, settings: "Settings") -> Iterator[str]:
        if self.delivery == "image" and self.repository is None and not settings.uses_aws:
            yield (
                "serving.repository: not set, with delivery image; allowed: a repository with its registry, such as "
                "registry.example.com/aegis/models (only in AWS the stack creates one)"
            )
        if self.delivery == "volume" and settings.cluster.eks_name is not None and not settings.has_emulated_aws:
            yield (
                'serving.delivery: got "volume"; allowed with cluster.eksName: image, as an EBS volume is on one node, '
                "and a model's pods are on several"
            )

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of the reconciler and of the deliveries, and those of the model servers' callers."""
        if not self.enabled:
            return
        yield Flow(RECONCILER_PODS, MLFLOW)
        yield Flow(RECONCILER_PODS, settings.artifact_store.server(settings))
        yield Flow(RECONCILER_PODS, settings.vault.server(settings))
        yield from (Flow(RECONCILER_PODS, server) for server in API_SERVER)
        yield Flow(RECONCILER_PODS, MODELS)
        yield Flow(DELIVERY_PODS, MLFLOW)
        if self.delivery == "image":
            yield Flow(DELIVERY_PODS, self._registry(settings))
        yield from (Flow(Pods(team.namespace), MODELS) for team in settings.teams)
        for namespace in self.client_namespaces:
            yield Flow(Pods(namespace), MODELS)
            yield Flow(Pods(namespace), RECONCILER)

    def _registry(self, settings: "Settings") -> Server:
        if self.repository is None and settings.aws_server is not None:
            return settings.aws_server
        return outside(f"https://{self.repository}", settings.egress.registry)

    def identities(self, settings: "Settings") -> Iterator[Workload]:  # noqa: ARG002 - needs only its own section
        """Yield the reconciler and the deliveries."""
        if self.enabled:
            yield from (RECONCILER_WORKLOAD, DELIVERY_WORKLOAD)

    def alerts(self, settings: "Settings") -> Iterator[Alert]:  # noqa: ARG002 - needs only its own section
        """Yield the alerts on served models."""
        if self.enabled:
            yield from (unanswered(), differs(), unverified(), rolled_back(), unavailable(), leaderless())
            yield from (failing(), slow(), drifted())

    def targets(self, settings: "Settings") -> Iterator[Target]:  # noqa: ARG002 - needs only its own section
        """Yield the figures of the reconciler and of the model servers."""
        if self.enabled:
            yield Target(job="serving-reconciler", server=RECONCILER)
            yield Target(job="model-servers", server=MODELS)
