"""Helpers for the tests of the embedded plugins: a recording host, and the type of a request factory."""

from collections.abc import Callable

from local.plugins.provider import Host, Request

RequestFor = Callable[..., Request]


class RecordingHost(Host):
    """Records the messages of a provider."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    def info(self, message: str, urn: str = "") -> None:
        self.messages.append(("info", message))

    def warn(self, message: str, urn: str = "") -> None:
        self.messages.append(("warn", message))

    def status(self, message: str, urn: str = "") -> None:
        self.messages.append(("status", message))
