"""Who may talk to whom: the network policies of the components, over a namespace that denies everything else."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicyPeerArgsDict

from infra.cluster.pods import metadata, selector

_LAST_PORT = 65535


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """The other end of a flow: the pods of a component, or of a whole namespace, on one TCP port.

    `component` None means any pod of `namespace`; `namespace` None means the policy's own. Both None means anyone.
    """

    port: int
    component: str | None = None
    namespace: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.port <= _LAST_PORT:
            raise ValueError(f"port is {self.port}: allowed is 1 to {_LAST_PORT}.")

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
            "egress": [{"to": _rules(peer), "ports": [{"protocol": "TCP", "port": peer.port}]} for peer in egress],
        },
        opts=opts,
    )


def _rules(peer: Peer) -> list[NetworkPolicyPeerArgsDict]:
    rule = peer.rule()
    return [rule] if rule else []
