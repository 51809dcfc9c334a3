"""What the checks may ask of an installation. They see only this, so that tests can answer in its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from local.cluster import Health
from local.stacks import Stack

Object = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer; `date` is the server's clock, and `asked_at` this machine's halfway through the request."""

    status: int
    text: str = ""
    date: datetime | None = None
    asked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A TLS server's certificate; `refusal` is the reason why a client on this machine doesn't accept it."""

    end: datetime
    refusal: str | None = None
    of_another_host: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """A measured space of this machine, in bytes."""

    what: str
    free: int
    total: int


class Site(Protocol):
    """An installation. Every method raises `NoAnswerError` with the reason if it gets no answer in time."""

    @property
    def stack(self) -> Stack:
        """The stack that was installed."""
        ...

    @property
    def embedded(self) -> bool:
        """Whether the cluster is the embedded one, on this machine."""
        ...

    def now(self) -> datetime:
        """Return this machine's time."""
        ...

    def config(self, section: str) -> Mapping[str, Any]:
        """Return a section of the stack's file, without defaults."""
        ...

    def outputs(self) -> Mapping[str, Any]:
        """Return the stack's outputs, with secrets."""
        ...

    def deployment(self) -> Mapping[str, Any]:
        """Return the engine's state of the stack."""
        ...

    def wanted_images(self) -> Mapping[str, str]:
        """Return the reference of each image that the stack wants."""
        ...

    def listed(self, kind: str) -> Sequence[Object]:
        """Return the platform's objects of a kind, such as `Pod`, in all of its namespaces."""
        ...

    def read(self, path: str) -> Any:  # noqa: ANN401 - whatever JSON the API server has there
        """Return the JSON at a path of the API server."""
        ...

    def told(self, script: str, workload: str, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON the script prints
        """Return what a script of `workloads/doctor` prints in a pod of `workload`, such as `mlflow/mlflow`."""
        ...

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return what a server answers to this machine."""
        ...

    def addresses_of(self, host: str) -> Sequence[str]:
        """Return the addresses of a name on this machine; empty if it has none."""
        ...

    def certificate(self, host: str, port: int) -> Certificate:
        """Return the certificate of a TLS server, also if it is not valid."""
        ...

    def own_certificates(self) -> Mapping[str, datetime]:
        """Return when each certificate of the embedded cluster ends."""
        ...

    def command(self, module: str, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON the command prints
        """Return what a workload command with `--json` prints on this machine."""
        ...

    def parts(self) -> Sequence[Health]:
        """Return the processes of the platform on this machine."""
        ...

    def memory(self) -> Space:
        """Return this machine's memory."""
        ...

    def disks(self) -> Sequence[Space]:
        """Return the disks with the platform's folders."""
        ...
