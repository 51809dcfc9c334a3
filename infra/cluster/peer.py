"""The other end of a flow: what a network policy lets the pods of a component talk to, or be talked to by."""

from dataclasses import dataclass
from typing import Final

_LAST_PORT: Final = 65535
EVERYWHERE: Final = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """The other end of a flow: the pods of a component, of a whole namespace, or networks, on one TCP port.

    `component` None means any pod of `namespace`; `namespace` None means the policy's own. With `networks`, IPv4 ones,
    the other end is outside of the cluster. None of them means anyone.
    """

    port: int
    component: str | None = None
    namespace: str | None = None
    networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.port <= _LAST_PORT:
            raise ValueError(f"port is {self.port}: allowed is 1 to {_LAST_PORT}.")
        if self.networks and (self.component or self.namespace):
            raise ValueError(f"networks is {', '.join(self.networks)}: allowed without component and namespace only.")


def everywhere(port: int) -> Peer:
    """Return the peer that is any address but link-local ones, where a cloud's metadata service lends out roles."""
    return Peer(port=port, networks=(EVERYWHERE,))
