"""What is known when the next steps of a served model are decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from workloads.serving.rollout.figures import Figures
from workloads.serving.rollout.memory import Memory
from workloads.serving.wanted import Wanted

# The Service sends requests to the opened pods of two versions.
CANARY_ROUTE: Final = "canary"

Delivery = Literal["none", "running", "refused", "failed", "impossible", "done"]
Finding = Literal["verified", "refused", "missing", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """A server. `restarts` counts those of its containers, and `waiting` is what it waits for.

    `check_refused` says that its files don't verify.
    """

    name: str
    address: str | None = None
    ready: bool = False
    open: bool = False
    restarts: int = 0
    waiting: str | None = None
    check_refused: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A version in the cluster: how far its delivery is, its image if it has its own, and its servers.

    A delivery that "failed" may succeed the next time; one that is "impossible" won't. `reason` says why, or what one
    that runs waits for.
    `replicas` is None if it has no servers. `available` are those that have been ready for a while. `content` is the
    digest that its servers demand of their files, and `track` what they were started as.
    """

    delivery: Delivery = "none"
    reason: str = ""
    image: str | None = None
    content: str | None = None
    track: str | None = None
    replicas: int | None = None
    available: int = 0
    pods: tuple[Pod, ...] = ()

    @property
    def ready(self) -> tuple[Pod, ...]:
        """The servers that answer."""
        return tuple(pod for pod in self.pods if pod.ready)


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """A model's objects: its versions, and where its Service sends requests: a version, CANARY_ROUTE, or nowhere."""

    versions: Mapping[str, Version] = field(default_factory=dict)
    route: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The version that is wanted now, and whether it may be served.

    "missing": MLflow has no such version or alias. "unknown": MLflow or its artifact store doesn't answer.
    `held_from` is the version that was taken back by hand, if the wanted one is that.
    """

    finding: Finding
    version: str | None = None
    reason: str = ""
    content_sha256: str | None = None
    held_from: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Times in seconds.

    After `delivery`, doubled each time, and `start`, a delivery and new servers count as failed. After `crashes`
    restarts, new servers do. An old version is kept for `drain` after the last request could be sent to it, and for
    `linger` while nothing else is rolled out, so that a move back is quick. A failed delivery is tried again after
    `retry`, doubled each time.
    """

    delivery: float = 600
    start: float = 300
    drain: float = 10
    linger: float = 60
    retry: float = 15
    longest_retry: float = 600
    crashes: int = 3
    remove_unverified: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """All that a decision is made from. `wanted` is None once the model isn't wanted any more.

    `served_verdict` is about the version that answers now; `figures` are by the names of the pods that could be
    read; `now` is in seconds since 1970.
    """

    wanted: Wanted | None
    source: str | None
    asked: str | None
    verdict: Verdict
    served_verdict: Verdict
    observed: Observed
    memory: Memory
    figures: Mapping[str, Figures]
    now: float
    limits: Limits
