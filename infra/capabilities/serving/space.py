"""What the reconciler's pods find in the namespace: their network policies, and what the stack wants to be served.

The reconciler makes pods of two parts. Their policies are there before it is, so no such pod runs without them.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap

import contracts
from infra.kube.network_policy import allow
from infra.kube.pods import labels
from infra.limits.flows import Traffic

_COMPONENT: Final = "wanted"
# Characters of a model's name in the name of its ConfigMap, before a digest that tells similar names apart.
_LONGEST_NAME: Final = 40
_DIGEST: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class ServingPoliciesArgs:
    """Arguments of `ServingPolicies`: the traffic of each kind of pod that the reconciler makes."""

    namespace: pulumi.Input[str]
    traffic: Sequence[Traffic]


class ServingPolicies(pulumi.ComponentResource):
    """The network policies of the pods that the reconciler makes, by the label that it gives them."""

    def __init__(self, name: str, args: ServingPoliciesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:ServingPolicies", name, {}, opts)
        for traffic in args.traffic:
            allow(f"{name}-{traffic.pods.component}", args.namespace, traffic, ResourceOptions(parent=self))
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedModelsArgs:
    """Arguments of `WantedModels`; `models` are the objects that the reconciler reads, by the model's name."""

    namespace: pulumi.Input[str]
    models: Mapping[str, Mapping[str, Any]]


class WantedModels(pulumi.ComponentResource):
    """A ConfigMap for each model that the stack serves; its provider must update ConfigMaps in place."""

    def __init__(self, name: str, args: WantedModelsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:WantedModels", name, {}, opts)
        for model, wanted in args.models.items():
            ConfigMap(
                f"{name}-{object_name(model)}",
                metadata={
                    "namespace": args.namespace,
                    "name": f"{contracts.STACK_SOURCE}-{object_name(model)}",
                    "labels": {
                        **labels(_COMPONENT),
                        contracts.WANTED_LABEL: "true",
                        contracts.SOURCE_LABEL: contracts.STACK_SOURCE,
                    },
                },
                data={contracts.WANTED_KEY: json.dumps(wanted)},
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})


def object_name(model: str) -> str:
    """Return a name for a Kubernetes object of `model`, different for each model."""
    readable = re.sub(r"[^a-z0-9]+", "-", model.lower())[:_LONGEST_NAME].strip("-")
    return f"{readable}-{hashlib.sha256(model.encode()).hexdigest()[:_DIGEST]}".removeprefix("-")
