"""Predictions in threads, so that the event loop always answers the probes; what is too much waits.

A thread that hangs can't be ended. While all of them do, the server isn't ready, and at last it isn't alive.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect, Request

from workloads.serving.server.errors import RequestError
from workloads.serving.server.limits import Limits

T = TypeVar("T")

# The times of a request after which predictions in all threads are taken for ones that never end.
_DEAD: Final = 5

_log = logging.getLogger(__name__)


class Workers:
    """Answers requests in threads, within the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bodies = asyncio.Semaphore(limits.bodies)
        self._threads = ThreadPoolExecutor(limits.predictions, thread_name_prefix="prediction")
        # When the predictions that run have begun, by the thread.
        self._begun: dict[int, float] = {}

    async def answer(self, request: Request, predict: Callable[[bytes], T]) -> T:
        """Return the result of `predict` for the body of the request.

        Raises:
            RequestError: The body is too large or doesn't come, or the time is over.
        """
        try:
            async with asyncio.timeout(self._limits.seconds), self._bodies:
                body = await self._read(request)
                return await asyncio.get_running_loop().run_in_executor(self._threads, self._timed, predict, body)
        except TimeoutError as error:
            message = f"There was no answer within {self._limits.seconds:g} s."
            raise RequestError(message, HTTPStatus.GATEWAY_TIMEOUT) from error

    @property
    def is_ready(self) -> bool:
        """Whether a new request may be answered: not while nobody waits any more for what all threads do."""
        return self._stuck() <= self._limits.seconds

    @property
    def is_alive(self) -> bool:
        """Whether a thread is free, or may become so. One long prediction leaves the other threads free."""
        stuck = self._stuck()
        if stuck <= _DEAD * self._limits.seconds:
            return True
        _log.error("All %d predictions have hung for %.0f s.", self._limits.predictions, stuck)
        return False

    def close(self) -> None:
        """Drop the predictions that haven't started."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _timed(self, predict: Callable[[bytes], T], body: bytes) -> T:
        thread = threading.get_ident()
        self._begun[thread] = time.monotonic()
        try:
            return predict(body)
        finally:
            del self._begun[thread]

    def _stuck(self) -> float:
        """Return for how many seconds no thread has begun or ended a prediction; 0 while one is free."""
        begun = list(self._begun.values())
        return time.monotonic() - max(begun) if len(begun) == self._limits.predictions else 0

    async def _read(self, request: Request) -> bytes:
        most = self._limits.largest_body
        body = bytearray()
        declared = request.headers.get("content-length", "0")
        try:
            if int(declared) <= most:
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most:
                        break
                else:
                    return bytes(body)
        except (ClientDisconnect, ValueError) as error:
            raise RequestError("The request's body is incomplete.") from error
        raise RequestError(f"The body must have at most {most} bytes.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
