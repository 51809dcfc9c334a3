"""A circuit breaker: a server that doesn't answer is left alone, and asked again by itself until it does."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final

from workloads.gateway.errors import UnavailableError

# Seconds: the longest pause between two probes.
_LONGEST_PAUSE: Final = 8.0

_log = logging.getLogger(__name__)


class Breaker:
    """Opens after `failures` failures in a row, and closes when `probe` succeeds, which it calls after each pause.

    The pauses start at `pause` seconds and double while the server stays away. After a probe, one more failure opens
    the circuit again, until a request has succeeded.
    """

    def __init__(
        self, name: str, probe: Callable[[], Awaitable[bool]], *, failures: int = 5, pause: float = 0.5
    ) -> None:
        self._name = name
        self._probe = probe
        self._limit = failures
        self._first_pause = pause
        self._pause = pause
        self._failures = 0
        self._recovery: asyncio.Task[None] | None = None
        self._next = 0.0

    @property
    def is_open(self) -> bool:
        """Whether requests are refused without asking the server."""
        return self._recovery is not None

    def check(self) -> None:
        """Let a request pass.

        Raises:
            UnavailableError: The circuit is open; the error says when the server is asked again.
        """
        if self._recovery is not None:
            wait = max(1, math.ceil(self._next - asyncio.get_running_loop().time()))
            raise UnavailableError(f"{self._name} does not answer.", retry_after=wait)

    def succeeded(self) -> None:
        """Note that the server answered."""
        self._failures = 0
        self._pause = self._first_pause

    def failed(self) -> None:
        """Note that the server didn't answer."""
        self._failures += 1
        if self._failures >= self._limit and self._recovery is None:
            _log.warning("%s does not answer: no requests until it does.", self._name)
            self._recovery = asyncio.get_running_loop().create_task(self._recover())

    async def _recover(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            answered = False
            while not answered:
                self._next = loop.time() + self._pause
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, _LONGEST_PAUSE)
                answered = await self._probe()
            self._failures = self._limit - 1
            _log.warning("%s answers again.", self._name)
        finally:
            self._recovery = None

    async def aclose(self) -> None:
        """Stop probing."""
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
