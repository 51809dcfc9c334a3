"""Predictions in threads, so that the event loop always answers the probes; what is too much waits."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from workloads.serving.server.errors import RequestError
from workloads.serving.server.limits import Limits

T = TypeVar("T")


class Workers:
    """Answers requests in threads, within the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bodies = asyncio.Semaphore(limits.bodies)
        self._threads = ThreadPoolExecutor(limits.predictions, thread_name_prefix="prediction")

    async def answer(self, request: Request, predict: Callable[[bytes], T]) -> T:
        """Return the result of `predict` for the body of the request.

        Raises:
            RequestError: The body is too large or doesn't come, or the time is over.
        """
        try:
            async with asyncio.timeout(self._limits.seconds), self._bodies:
                body = await self._read(request)
                return await asyncio.get_running_loop().run_in_executor(self._threads, predict, body)
        except TimeoutError as error:
            message = f"There was no answer within {self._limits.seconds:g} s."
            raise RequestError(message, HTTPStatus.GATEWAY_TIMEOUT) from error

    def close(self) -> None:
        """Drop the predictions that haven't started."""
        self._threads.shutdown(wait=False, cancel_futures=True)

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
