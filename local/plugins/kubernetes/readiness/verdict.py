"""What a look at an object tells about its readiness."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from local.plugins.kubernetes.client import Object


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Ready, failed for good, or still waiting for what `message` says."""

    message: str
    ready: bool = False
    failed: bool = False
    # What else the user should see, such as the last lines of a log.
    details: tuple[str, ...] = ()


class Reader(Protocol):
    """The part of the API's client that a look needs."""

    def get(self, path: str, **query: str) -> Object:
        """Return the object or list at a path."""
        ...

    def text(self, path: str, **query: str) -> str:
        """Return what a path holds as text."""
        ...


# Looks at an object as it is now, and where that isn't enough at others around it.
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
