"""The placement of trainers' pods: their GPUs, and the labels and taints of the nodes that they run on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulumi_kubernetes.core.v1 import PodSpecArgsDict, TolerationArgsDict


@dataclass(frozen=True, kw_only=True, slots=True)
class Taint:
    """A taint that a pod tolerates; with `value` None, whatever its value."""

    key: str
    value: str | None
    effect: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """The GPUs, labels and taints of the node of a trainer's pod."""

    gpus: int = 0
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Taint, ...] = ()

    def __post_init__(self) -> None:
        if self.gpus < 0:
            raise ValueError(f"gpus must be 0 or more, got {self.gpus}.")


def placed(spec: PodSpecArgsDict, placement: Placement) -> PodSpecArgsDict:
    """Return the pod `spec` with the node selector and tolerations of `placement`."""
    result: PodSpecArgsDict = {**spec}
    if placement.node_selector:
        result["node_selector"] = dict(placement.node_selector)
    if placement.tolerations:
        result["tolerations"] = [_toleration(taint) for taint in placement.tolerations]
    return result


def _toleration(taint: Taint) -> TolerationArgsDict:
    if taint.value is None:
        return {"key": taint.key, "operator": "Exists", "effect": taint.effect}
    return {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect}
