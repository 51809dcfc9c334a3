"""The result of a readiness check."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from local.plugins.kubernetes.client import Object


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The object is ready, has failed for good, or is still waiting; `message` says for what."""

    message: str
    ready: bool = False
    failed: bool = False
    # More information for the user, such as the end of a log.
    details: tuple[str, ...] = ()


class Reader(Protocol):
    """The part of the API client that a check needs."""

    def get(self, path: str, **query: str) -> Object:
        """Return the object or list at a path."""
        ...

    def text(self, path: str, **query: str) -> str:
        """Return the content of a path as text."""
        ...


# Checks a live object and, if necessary, related objects.
Check = Callable[[Object, Reader], Verdict]


def ready(message: str = "ready") -> Verdict:
    """Return the verdict on an object that is ready."""
    return Verdict(message=message, ready=True)


def waiting(message: str, *details: str) -> Verdict:
    """Return the verdict on an object that isn't ready yet."""
    return Verdict(message=message, details=details)


def failed(message: str, *details: str) -> Verdict:
    """Return the verdict on an object that won't become ready by waiting."""
    return Verdict(message=message, failed=True, details=details)
