"""What Prometheus reads: the servers of figures, which are pods of the platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from infra.limits.flows import Pods, Server

DEFAULT_PATH: Final = "/metrics"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Pods that answer with their figures; `job` is their name in queries.

    `keep` is a pattern of the names of the figures that are kept, None for all. With `own_labels`, the labels
    `namespace` and `pod` are those of the figures, which are about other pods.

    Raises:
        ValueError: The server isn't pods of the platform.
    """

    job: str
    server: Server
    path: str = DEFAULT_PATH
    parameters: Mapping[str, str] = field(default_factory=dict)
    keep: str | None = None
    own_labels: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.server.at, Pods) or not self.server.at.component:
            raise ValueError(f"a target must be pods of one component, got {self.server.at}.")

    @property
    def pods(self) -> Pods:
        """The pods that answer."""
        assert isinstance(self.server.at, Pods)  # noqa: S101 - checked above
        return self.server.at
