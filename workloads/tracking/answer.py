"""HTTP answers as whole values, for the wrappers that replace or change MLflow's answers."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from starlette.types import Message, Send

Header = tuple[bytes, bytes]

_LENGTH: Final = b"content-length"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    headers: Sequence[Header]
    body: bytes

    @classmethod
    def error(cls, status: int, code: str, message: str, *headers: Header) -> Self:
        """Return an error in the JSON form of MLflow's own, with `code` as its error code."""
        answer = cls(status=status, headers=[(b"content-type", b"application/json"), *headers], body=b"")
        return answer.with_body(json.dumps({"error_code": code, "message": message}).encode())

    def with_body(self, body: bytes) -> Self:
        """Return the answer with another body, and the length of that body."""
        headers = [(name, value) for name, value in self.headers if name.lower() != _LENGTH]
        return replace(self, headers=[*headers, (_LENGTH, str(len(body)).encode())], body=body)

    async def send(self, send: Send) -> None:
        """Send the answer as ASGI messages."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


class Gathering:
    """An ASGI `send` that gathers answers with `status` until they are complete, and sends what `change` returns.

    Answers with another status pass through unchanged.
    """

    def __init__(self, send: Send, status: int, change: Callable[[Answer], Answer]) -> None:
        self._send = send
        self._status = status
        self._change = change
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Take one ASGI message of the answer."""
        if message["type"] == "http.response.start" and message["status"] == self._status:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                answer = Answer(status=self._status, headers=self._start["headers"], body=self._body)
                await self._change(answer).send(self._send)
