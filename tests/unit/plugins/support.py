"""What the tests of the embedded plugins share: a host that records, and requests in few words."""

from collections.abc import Callable

from local.plugins.provider import Host, Request

RequestFor = Callable[..., Request]


class RecordingHost(Host):
    """Keeps what a provider tells the engine."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def info(self, message: str, urn: str = "") -> None:
        self.told.append(("info", message))

    def warn(self, message: str, urn: str = "") -> None:
        self.told.append(("warn", message))

    def status(self, message: str, urn: str = "") -> None:
        self.told.append(("status", message))
