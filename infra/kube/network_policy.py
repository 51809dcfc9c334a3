"""NetworkPolicies: the traffic that a component's pods may have, in a namespace that denies all other traffic."""

from typing import Final

import pulumi
from pulumi_kubernetes.networking.v1 import (
    IPBlockArgsDict,
    NetworkPolicy,
    NetworkPolicyEgressRuleArgsDict,
    NetworkPolicyIngressRuleArgsDict,
    NetworkPolicyPeerArgsDict,
)

from infra.kube.pods import metadata
from infra.limits.flows import EVERYWHERE, End, Networks, Place, Pods, Traffic

# https://datatracker.ietf.org/doc/html/rfc3927
_LINK_LOCAL: Final = "169.254.0.0/16"


def allow(name: str, namespace: pulumi.Input[str], traffic: Traffic, opts: pulumi.ResourceOptions) -> NetworkPolicy:
    """Allow the traffic of a component's pods, besides the DNS look-ups that the namespace allows."""
    component = traffic.pods.component
    return NetworkPolicy(
        name,
        metadata=metadata(namespace, component, component),
        spec={
            "pod_selector": {"match_labels": traffic.pods.selector},
            "policy_types": ["Ingress", "Egress"],
            "ingress": _ingress(traffic),
            "egress": egress_rules(traffic),
        },
        opts=opts,
    )


def egress_rules(traffic: Traffic) -> list[NetworkPolicyEgressRuleArgsDict]:
    """Return the rules that allow the connections that the pods open."""
    return [
        {"to": _peers(flow.server.at, traffic.pods), "ports": [{"protocol": "TCP", "port": flow.server.port}]}
        for flow in traffic.egress
    ]


def _ingress(traffic: Traffic) -> list[NetworkPolicyIngressRuleArgsDict]:
    return [
        {"from_": _peers(flow.source, traffic.pods), "ports": [{"protocol": "TCP", "port": flow.server.port}]}
        for flow in traffic.ingress
    ]


def _peers(end: End, pods: Pods) -> list[NetworkPolicyPeerArgsDict]:
    """Return the peers of a rule for `pods`; an empty list allows all peers."""
    if end is Place.ANYWHERE:
        return []
    if isinstance(end, Networks):
        return [{"ip_block": _block(cidr)} for cidr in end.cidrs]
    if not isinstance(end, Pods):
        raise TypeError(f"the end of a flow must be Pods, Networks or {Place.ANYWHERE}, got {end}.")
    peer: NetworkPolicyPeerArgsDict = {}
    if end.component:
        peer["pod_selector"] = {"match_labels": end.selector}
    if not end.component or end.namespace != pods.namespace:
        peer["namespace_selector"] = {"match_labels": {"kubernetes.io/metadata.name": end.namespace}}
    return [peer]


def _block(cidr: str) -> IPBlockArgsDict:
    return {"cidr": cidr, "except_": [_LINK_LOCAL]} if cidr == EVERYWHERE else {"cidr": cidr}
