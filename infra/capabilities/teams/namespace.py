"""The quota, the default requests and the network policy in a team's namespace."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import LimitRange, ResourceQuota
from pulumi_kubernetes.networking.v1 import NetworkPolicy

from infra.kube.network_policy import egress_rules
from infra.kube.pods import GPU_RESOURCE, metadata
from infra.limits.flows import Traffic

COMPONENT: Final = "team"

# The requests of containers that set none, as the quota refuses pods without requests. No default limits: they would
# refuse containers that request more and set no limit.
_DEFAULT_REQUEST: Final = {"cpu": "100m", "memory": "256Mi"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TeamArgs:
    """Arguments of `Team`; `cpu`, `memory` and `gpus` are what its pods may request in total."""

    namespace: pulumi.Input[str]
    cpu: int
    memory: str
    gpus: int
    traffic: Traffic


class Team(pulumi.ComponentResource):
    """The quota, the default requests and the network policy of a team's namespace."""

    def __init__(self, name: str, args: TeamArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Team", name, {}, opts)
        child = ResourceOptions(parent=self)
        ResourceQuota(
            f"{name}-quota",
            metadata=metadata(args.namespace, COMPONENT, "quota"),
            spec={
                "hard": {
                    "requests.cpu": str(args.cpu),
                    "requests.memory": args.memory,
                    f"requests.{GPU_RESOURCE}": str(args.gpus),
                    # These would open the team's pods to traffic from outside the cluster.
                    "services.loadbalancers": "0",
                    "services.nodeports": "0",
                }
            },
            opts=child,
        )
        LimitRange(
            f"{name}-defaults",
            metadata=metadata(args.namespace, COMPONENT, "defaults"),
            spec={"limits": [{"type": "Container", "default_request": dict(_DEFAULT_REQUEST)}]},
            opts=child,
        )
        NetworkPolicy(
            f"{name}-traffic",
            metadata=metadata(args.namespace, COMPONENT, COMPONENT),
            spec={
                "pod_selector": {},
                "policy_types": ["Ingress", "Egress"],
                # Distributed training needs connections between its pods, on ports that it chooses itself.
                "ingress": [{"from_": [{"pod_selector": {}}]}],
                "egress": [{"to": [{"pod_selector": {}}]}, *egress_rules(args.traffic)],
            },
            opts=child,
        )
        self.register_outputs({})
