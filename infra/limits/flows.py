"""Flows between pods and servers: one list, from which the NetworkPolicies of both sides are made.

Each capability's section of the settings declares the flows of its own pods and servers. A section whose pods are
switched off declares no flows for them, so neither side allows any.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

import contracts

# What the stack's own objects are labelled with: the name of their component.
NAME_LABEL: Final = "app.kubernetes.io/name"

_LAST_PORT: Final = 65535
_HTTPS: Final = 443
EVERYWHERE: Final = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of `component` in a namespace; all pods of the namespace if `component` is "".

    `label` is the label that names their component, another one for pods that the stack doesn't make itself.
    """

    namespace: str
    component: str = ""
    label: str = NAME_LABEL

    @property
    def selector(self) -> dict[str, str]:
        """The label that selects exactly these pods in their namespace."""
        return {self.label: self.component}


@dataclass(frozen=True, slots=True)
class Networks:
    """IPv4 networks outside the cluster."""

    cidrs: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.cidrs:
            raise ValueError("networks must not be empty: a rule without peers allows every address.")


class Place(Enum):
    """An end of a flow that is neither pods nor given networks."""

    # Any address, inside or outside the cluster.
    ANYWHERE = "anywhere"
    # The networks of the cluster's VPC, which are known only after the cluster was looked up.
    VPC = "vpc"


End = Pods | Networks | Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A server that pods connect to: the pods, networks or place where it is, and its TCP port."""

    at: End
    port: int

    def __post_init__(self) -> None:
        if not 1 <= self.port <= _LAST_PORT:
            raise ValueError(f"port must be 1 to {_LAST_PORT}, got {self.port}.")

    @property
    def url(self) -> str:
        """The URL of a server behind a Service with the name of its component, for pods of any namespace.

        Raises:
            TypeError: The server isn't a component of the platform.
        """
        if not isinstance(self.at, Pods) or not self.at.component:
            raise TypeError(f"only a component of the platform has a Service, got {self.at}.")
        return f"http://{self.at.component}.{self.at.namespace}.svc:{self.port}"


@dataclass(frozen=True, slots=True)
class Flow:
    """Connections that `source` opens to `server`."""

    source: Pods | Networks
    server: Server


# The servers of the platform that run in the cluster.
MLFLOW_PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "mlflow")
MLFLOW: Final = Server(at=MLFLOW_PODS, port=contracts.MLFLOW_PORT)
POSTGRES_PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "postgres")
POSTGRES: Final = Server(at=POSTGRES_PODS, port=contracts.POSTGRES_PORT)
S3_PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "s3")
S3: Final = Server(at=S3_PODS, port=contracts.S3_PORT)
VAULT_PODS: Final = Pods(contracts.VAULT_NAMESPACE, "vault")
VAULT: Final = Server(at=VAULT_PODS, port=contracts.VAULT_PORT)
GATEWAY_PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "gateway")
GATEWAY: Final = Server(at=GATEWAY_PODS, port=contracts.GATEWAY_PORT)
RECONCILER_PODS: Final = Pods(contracts.SERVING_NAMESPACE, contracts.RECONCILER)
RECONCILER: Final = Server(at=RECONCILER_PODS, port=contracts.RECONCILER_PORT)
# The reconciler makes these pods, and names their part in a label of its own.
DELIVERY_PODS: Final = Pods(contracts.SERVING_NAMESPACE, contracts.DELIVERY_PART, contracts.SERVING_PART_LABEL)
MODEL_PODS: Final = Pods(contracts.SERVING_NAMESPACE, contracts.SERVER_PART, contracts.SERVING_PART_LABEL)
MODELS: Final = Server(at=MODEL_PODS, port=contracts.MODEL_SERVER_PORT)
# The tracking server's figures, on a port that no Service of users and no ingress has.
MLFLOW_METRICS: Final = Server(at=MLFLOW_PODS, port=contracts.METRICS_PORT)
EXPORTER_PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "exporter")
EXPORTER: Final = Server(at=EXPORTER_PODS, port=contracts.EXPORTER_PORT)
POSTGRES_EXPORTER_PODS: Final = Pods(contracts.MLFLOW_NAMESPACE, "postgres-exporter")
POSTGRES_EXPORTER: Final = Server(at=POSTGRES_EXPORTER_PODS, port=contracts.POSTGRES_EXPORTER_PORT)
STATE_METRICS_PODS: Final = Pods(contracts.MONITORING_NAMESPACE, "kube-state-metrics")
STATE_METRICS: Final = Server(at=STATE_METRICS_PODS, port=contracts.STATE_METRICS_PORT)
PROMETHEUS_PODS: Final = Pods(contracts.MONITORING_NAMESPACE, "prometheus")
PROMETHEUS: Final = Server(at=PROMETHEUS_PODS, port=contracts.PROMETHEUS_PORT)
ALERTMANAGER_PODS: Final = Pods(contracts.MONITORING_NAMESPACE, "alertmanager")
ALERTMANAGER: Final = Server(at=ALERTMANAGER_PODS, port=contracts.ALERTMANAGER_PORT)
# The API server's ports: the one of the Service `kubernetes`, and the usual one of the control plane behind it. The
# address behind the Service can change, so the policies name only ports.
API_SERVER: Final = tuple(Server(at=Place.ANYWHERE, port=port) for port in (_HTTPS, 6443))
# PostgreSQL in RDS, in the VPC of the cluster.
RDS: Final = Server(at=Place.VPC, port=contracts.POSTGRES_PORT)


def outside(address: str, networks: Sequence[str]) -> Server:
    """Return a server outside the cluster, with the port of its URL `address`, 443 by default, in one of `networks`.

    Without networks it may be anywhere except at link-local addresses, where a cloud's metadata service hands out
    credentials.
    """
    return Server(at=Networks(tuple(networks) or (EVERYWHERE,)), port=urlsplit(address).port or _HTTPS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """The traffic that the NetworkPolicy of `pods` allows: the flows to them, and the flows that they open."""

    pods: Pods
    ingress: tuple[Flow, ...] = ()
    egress: tuple[Flow, ...] = ()


def traffic(flows: Iterable[Flow], pods: Pods) -> Traffic:
    """Return the flows to and from `pods`; ingress lists single components first, then namespaces, then networks."""
    # Two capabilities may declare the same flow.
    all_flows = tuple(dict.fromkeys(flows))
    return Traffic(
        pods=pods,
        ingress=tuple(sorted((flow for flow in all_flows if flow.server.at == pods), key=_breadth)),
        egress=tuple(flow for flow in all_flows if flow.source == pods),
    )


def within_vpc(flows: Iterable[Flow], cidrs: Sequence[str]) -> Iterator[Flow]:
    """Yield the flows with the networks of the cluster's VPC filled in."""
    for flow in flows:
        if flow.server.at is Place.VPC:
            yield replace(flow, server=replace(flow.server, at=Networks(tuple(cidrs))))
        else:
            yield flow


def _breadth(flow: Flow) -> int:
    if isinstance(flow.source, Networks):
        return 2
    return 0 if flow.source.component else 1
