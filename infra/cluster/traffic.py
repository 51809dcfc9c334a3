"""Who may talk to whom: the network policies of the components, over a namespace that denies everything else."""

from collections.abc import Sequence
from typing import Final

import pulumi
from pulumi_kubernetes.networking.v1 import (
    IPBlockArgsDict,
    NetworkPolicy,
    NetworkPolicyEgressRuleArgsDict,
    NetworkPolicyPeerArgsDict,
)

from infra.cluster.peer import EVERYWHERE, Peer
from infra.cluster.pods import metadata, selector

# https://datatracker.ietf.org/doc/html/rfc3927
_LINK_LOCAL: Final = "169.254.0.0/16"


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


def _rules(peer: Peer) -> list[NetworkPolicyPeerArgsDict]:
    if peer.networks:
        return [{"ip_block": _block(network)} for network in peer.networks]
    rule: NetworkPolicyPeerArgsDict = {}
    if peer.component is not None:
        rule["pod_selector"] = {"match_labels": selector(peer.component)}
    if peer.namespace is not None:
        rule["namespace_selector"] = {"match_labels": {"kubernetes.io/metadata.name": peer.namespace}}
    return [rule] if rule else []


def _block(network: str) -> IPBlockArgsDict:
    return {"cidr": network, "except_": [_LINK_LOCAL]} if network == EVERYWHERE else {"cidr": network}
