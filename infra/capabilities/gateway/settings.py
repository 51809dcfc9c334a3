"""Settings of the gateway."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from infra.capabilities.gateway.alerts import at_maximum, failing, slow, too_few_pods
from infra.limits.alerts import Alert
from infra.limits.flows import GATEWAY, GATEWAY_PODS, MLFLOW, MODELS, RECONCILER, Flow, Networks, Pods
from infra.limits.scraping import Target
from infra.settings.capability import Scaled
from infra.settings.section import Cpu, Host, Label, MemorySize, Network

if TYPE_CHECKING:
    from infra.settings.model import Settings


class Gateway(Scaled):
    """The gateway: one API and one page over MLflow and the served models, with each caller's own rights."""

    enabled: bool = Field(default=False, description="true or false: whether the gateway runs")
    cpu: Cpu = Field(default="250m", description="the CPU request of a pod, such as 250m or 2")
    memory: MemorySize = Field(default="512Mi", description="the memory request of a pod, a size such as 512Mi")
    prediction_timeout: int = Field(
        default=30, ge=1, le=600, description="seconds that a prediction may take, an integer from 1 to 600"
    )
    mlflow_timeout: float = Field(
        default=1.8,
        ge=0.1,
        le=60,
        description="seconds in which MLflow must answer a request that moves no files, a number from 0.1 to 60; "
        "callers get 503 after that",
    )
    body_limit: MemorySize = Field(
        default="1Mi",
        description="a size such as 1Mi: the largest body of a request, except predictions and artifacts, which may "
        "be as large as mlflow.largestArtifact",
    )
    prediction_limit: MemorySize = Field(
        default="16Mi", description="a size such as 16Mi: the largest body of a request for predictions"
    )
    page: bool = Field(default=True, description="true or false: whether the gateway has a web page")
    public_hosts: list[Host] = Field(
        default=[],
        description="a list of the lower-case host names or IPv4 addresses under which people reach the gateway, "
        "without a scheme, and with the port unless it is 80 or 443",
    )
    client_namespaces: list[Label] = Field(
        default=[],
        description="a list of the namespaces whose pods may reach the gateway, such as Prometheus's; those of the "
        "teams always reach it",
    )
    client_networks: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, that may reach the gateway's pods, such "
        "as a load balancer's subnets",
    )

    def problems(self, settings: "Settings") -> Iterator[str]:  # noqa: ARG002 - needs only its own section
        """Yield a line for each problem of the gateway's settings."""
        yield from self.scaling_problems("gateway")

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of the gateway to the servers behind it, and those of its callers."""
        if not self.enabled:
            return
        yield Flow(GATEWAY_PODS, MLFLOW)
        if settings.serving.enabled:
            yield Flow(GATEWAY_PODS, MODELS)
            yield Flow(GATEWAY_PODS, RECONCILER)
        yield from (Flow(Pods(team.namespace), GATEWAY) for team in settings.teams)
        yield from (Flow(Pods(namespace), GATEWAY) for namespace in self.client_namespaces)
        yield from (Flow(Networks((network,)), GATEWAY) for network in self.client_networks)

    def alerts(self, settings: "Settings") -> Iterator[Alert]:  # noqa: ARG002 - needs only its own section
        """Yield the alerts on the gateway."""
        if self.enabled:
            yield from (too_few_pods(max(1, self.min_available)), failing(), slow(self.prediction_timeout))
            # With equal bounds the autoscaler is always at its maximum.
            if self.min_replicas < self.max_replicas:
                yield at_maximum(self.max_replicas)

    def targets(self, settings: "Settings") -> Iterator[Target]:  # noqa: ARG002 - needs only its own section
        """Yield the gateway's figures."""
        if self.enabled:
            yield Target(job="gateway", server=GATEWAY)
