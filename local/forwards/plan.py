"""The plan of all forwards, a file that the forwarding process reads."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Forward:
    """A port of localhost, and the port of a Service that it leads to."""

    port: int
    namespace: str
    service: str
    service_port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All forwards, and the access to the cluster: its name server, or a context of a kubeconfig.

    `path` is the PATH for kubectl and its credential plugins.
    """

    forwards: tuple[Forward, ...]
    name_server: str | None = None
    domain: str | None = None
    context: str | None = None
    kubeconfig: str | None = None
    path: str | None = None

    def text(self) -> str:
        """Return the file's content."""
        return json.dumps(asdict(self), indent=2)


def read(file: Path) -> Plan:
    """Return the plan in a file with the content of `Plan.text`."""
    content = json.loads(file.read_text())
    return Plan(**content | {"forwards": tuple(Forward(**forward) for forward in content["forwards"])})
