"""Namespaces that allow only restricted pods, and no traffic except DNS look-ups."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.meta.v1 import LabelSelectorArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicyEgressRuleArgsDict

from infra.limits.flows import Pods

_KUBE_SYSTEM: Final[LabelSelectorArgsDict] = {"match_labels": {"kubernetes.io/metadata.name": "kube-system"}}
# CoreDNS has the label of its predecessor kube-dns in every distribution.
_DNS_SERVERS: Final[LabelSelectorArgsDict] = {"match_labels": {"k8s-app": "kube-dns"}}

_DNS_PORT: Final = 53


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedNamespaceArgs:
    """Arguments of `ClosedNamespace`; `name` is fixed, because policies and DNS names contain it.

    `dns_networks` are the networks of DNS servers that a NetworkPolicy can't select as pods, such as a cache on the
    nodes. `silent` are pods of the namespace that open no connections, not even to look up names: data can leave in
    the names, too.
    """

    name: str
    dns_networks: tuple[str, ...] = ()
    silent: Pods | None = None


class ClosedNamespace(pulumi.ComponentResource):
    """A namespace with the Pod Security Standard `restricted` and a default-deny network policy."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: ClosedNamespaceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:ClosedNamespace", name, {}, opts)
        child = ResourceOptions(parent=self)
        modes = ("enforce", "audit", "warn")
        namespace = Namespace(
            f"{name}-namespace",
            metadata={
                "name": args.name,
                "labels": {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in modes},
            },
            opts=child,
        )
        self.name = namespace.metadata.name
        NetworkPolicy(
            f"{name}-default-deny",
            metadata={"name": "default-deny", "namespace": self.name},
            spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]},
            opts=child,
        )
        NetworkPolicy(
            f"{name}-dns",
            metadata={"name": "dns", "namespace": self.name},
            spec={
                "pod_selector": {} if args.silent is None else _all_but(args.silent),
                "policy_types": ["Egress"],
                "egress": _look_ups(args.dns_networks),
            },
            opts=child,
        )
        self.register_outputs({"name": self.name})


def _all_but(pods: Pods) -> LabelSelectorArgsDict:
    return {"match_expressions": [{"key": pods.label, "operator": "NotIn", "values": [pods.component]}]}


def _look_ups(networks: tuple[str, ...]) -> list[NetworkPolicyEgressRuleArgsDict]:
    # On all ports: the pods may listen on another port than the Service's 53.
    servers: NetworkPolicyEgressRuleArgsDict = {
        "to": [{"namespace_selector": _KUBE_SYSTEM, "pod_selector": _DNS_SERVERS}]
    }
    if not networks:
        return [servers]
    caches: NetworkPolicyEgressRuleArgsDict = {
        "to": [{"ip_block": {"cidr": network}} for network in networks],
        "ports": [{"protocol": protocol, "port": _DNS_PORT} for protocol in ("UDP", "TCP")],
    }
    return [servers, caches]
