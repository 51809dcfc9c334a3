"""The next steps of a served model, which can all be repeated, and what the world is told about it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from contracts import MODEL_SERVER_PORT
from workloads.serving.rollout import names
from workloads.serving.rollout.memory import Memory, State

Track = Literal["stable", "canary"]


@dataclass(frozen=True, slots=True)
class Deliver:
    """Bring the files of a version to where its servers start from."""

    version: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Remove a version's delivery and its files."""

    version: str


@dataclass(frozen=True, slots=True)
class RemoveDelivery:
    """Remove a delivery that failed, so that it can be made again. What is on the volume stays."""

    version: str


@dataclass(frozen=True, slots=True)
class Serve:
    """Run a version's servers."""

    version: str
    replicas: int
    track: Track


@dataclass(frozen=True, slots=True)
class Open:
    """Let these pods answer while a canary is tried."""

    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Send requests to a version, or to all opened pods (`situation.CANARY_ROUTE`)."""

    to: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a version's servers."""

    version: str


@dataclass(frozen=True, slots=True)
class RemoveModel:
    """Remove every object of the model."""


Step = Deliver | Discard | RemoveDelivery | Serve | Open | Route | Remove | RemoveModel


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What `GET /served` tells of a model. `since` is in seconds since 1970, and the JSON has it in ISO 8601.

    `verified` is False if no version answers, or the one that does wouldn't be served any more as it is, such as after
    its key was revoked.
    `held_from` is the version that was taken back by hand, and in whose place `wanted_version` is wanted.
    """

    model: str
    wanted: str
    wanted_version: str | None
    served_version: str | None
    state: State
    reason: str
    canary_percent: int
    replicas: int
    ready: int
    source: str | None
    since: float
    verified: bool
    request: str
    held_from: str | None = None

    def to_json(self, namespace: str) -> dict[str, Any]:
        """Return the JSON object for clients, with the address of the model's Service."""
        return asdict(self) | {
            "service": f"http://{names.label(self.model)}.{namespace}.svc:{MODEL_SERVER_PORT}",
            "since": datetime.fromtimestamp(self.since, UTC).isoformat(timespec="seconds") if self.since else None,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to remember before the steps, and the steps in order. `finished` says that nothing is left of the model."""

    memory: Memory
    steps: Sequence[Step] = ()
    status: Status | None = None
    finished: bool = False
