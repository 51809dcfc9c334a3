"""Who may talk to whom: the network policies of the components, over a namespace that denies everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_kubernetes.networking.v1 import (
    IPBlockArgsDict,
    NetworkPolicy,
    NetworkPolicyEgressRuleArgsDict,
    NetworkPolicyPeerArgsDict,
)

from infra.cluster.pods import metadata, selector

_LAST_PORT: Final = 65535
_EVERYWHERE: Final = "0.0.0.0/0"
# https://datatracker.ietf.org/doc/html/rfc3927
_LINK_LOCAL: Final = "169.254.0.0/16"


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """The other end of a flow: the pods of a component, of a whole namespace, or networks, on one TCP port.

    `component` None means any pod of `namespace`; `namespace` None means the policy's own. With `networks`, IPv4 ones,
    the other end is outside of the cluster. None of them means anyone.
    """

    port: int
    component: str | None = None
    namespace: str | None = None
    networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.port <= _LAST_PORT:
            raise ValueError(f"port is {self.port}: allowed is 1 to {_LAST_PORT}.")
        if self.networks and (self.component or self.namespace):
            raise ValueError(f"networks is {', '.join(self.networks)}: allowed without component and namespace only.")

    def rule(self) -> NetworkPolicyPeerArgsDict:
        """Return the selector of the peer's pods."""
        rule: NetworkPolicyPeerArgsDict = {}
        if self.component is not None:
            rule["pod_selector"] = {"match_labels": selector(self.component)}
        if self.namespace is not None:
            rule["namespace_selector"] = {"match_labels": {"kubernetes.io/metadata.name": self.namespace}}
        return rule


def allow(
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    *,
    ingress: Sequence[Peer] = (),
    egress: Sequence[Peer] = (),
    opts: pulumi.ResourceOptions,
) -> NetworkPolicy:
    """Allow the pods of `component` these flows, beyond the name look-ups that their namespace allows."""
    return NetworkPolicy(
        name,
        metadata=metadata(namespace, component, component),
        spec={
            "pod_selector": {"match_labels": selector(component)},
            "policy_types": ["Ingress", "Egress"],
            "ingress": [{"from_": _rules(peer), "ports": [{"protocol": "TCP", "port": peer.port}]} for peer in ingress],
            "egress": egress_rules(egress),
        },
        opts=opts,
    )


def egress_rules(peers: Sequence[Peer]) -> list[NetworkPolicyEgressRuleArgsDict]:
    """Return the rules that allow flows to `peers`."""
    return [{"to": _rules(peer), "ports": [{"protocol": "TCP", "port": peer.port}]} for peer in peers]


def everywhere(port: int) -> Peer:
    """Return the peer that is any address but link-local ones, where a cloud's metadata service lends out roles."""
    return Peer(port=port, networks=(_EVERYWHERE,))


def _rules(peer: Peer) -> list[NetworkPolicyPeerArgsDict]:
    if peer.networks:
        return [{"ip_block": _block(network)} for network in peer.networks]
    rule = peer.rule()
    return [rule] if rule else []


def _block(network: str) -> IPBlockArgsDict:
    return {"cidr": network, "except_": [_LINK_LOCAL]} if network == _EVERYWHERE else {"cidr": network}
