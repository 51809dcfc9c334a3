"""The objects with which a cluster's Prometheus operator monitors the platform.

Their forms are those of the operator's own CRDs: https://prometheus-operator.dev/docs/api-reference/api/.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource

from infra.kube.pods import labels
from infra.limits.scraping import DEFAULT_PATH, Target

API_VERSION: Final = "monitoring.coreos.com/v1"

_COMPONENT: Final = "monitoring"
_RULES: Final = "aegis"


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatorObjectsArgs:
    """Arguments of `OperatorObjects`.

    Each target's monitor is in the target's own namespace, one of `namespaces` by their names; the rules are in
    `namespace`. `labels` are those by which Prometheus selects them.
    """

    namespace: pulumi.Input[str]
    targets: Sequence[Target]
    namespaces: Mapping[str, pulumi.Input[str]]
    rules: Sequence[Mapping[str, Any]]
    labels: Mapping[str, str]


class OperatorObjects(pulumi.ComponentResource):
    """A PodMonitor for each target, as a Service would hide its pods, and the PrometheusRule of the alerts."""

    def __init__(self, name: str, args: OperatorObjectsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:OperatorObjects", name, {}, opts)
        child = ResourceOptions(parent=self)
        for target in args.targets:
            CustomResource(
                f"{name}-{target.job}",
                api_version=API_VERSION,
                kind="PodMonitor",
                metadata=_metadata(args.namespaces[target.pods.namespace], f"aegis-{target.job}", args.labels),
                spec=monitor(target),
                opts=child,
            )
        CustomResource(
            f"{name}-rules",
            api_version=API_VERSION,
            kind="PrometheusRule",
            metadata=_metadata(args.namespace, _RULES, args.labels),
            spec={"groups": list(args.rules)},
            opts=child,
        )
        self.register_outputs({})


def monitor(target: Target) -> dict[str, Any]:
    """Return the spec of the target's PodMonitor."""
    endpoint: dict[str, Any] = {
        "portNumber": target.server.port,
        # Otherwise the job would be named after the monitor and its namespace.
        "relabelings": [{"targetLabel": "job", "replacement": target.job}],
    }
    if target.path != DEFAULT_PATH:
        endpoint["path"] = target.path
    if target.parameters:
        endpoint["params"] = {name: [value] for name, value in target.parameters.items()}
    if target.own_labels:
        endpoint["honorLabels"] = True
    if target.keep is not None:
        endpoint["metricRelabelings"] = [{"sourceLabels": ["__name__"], "regex": target.keep, "action": "keep"}]
    return {"selector": {"matchLabels": target.pods.selector}, "podMetricsEndpoints": [endpoint]}


def _metadata(namespace: pulumi.Input[str], name: str, selected_by: Mapping[str, str]) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, "labels": {**labels(_COMPONENT), **selected_by}}
