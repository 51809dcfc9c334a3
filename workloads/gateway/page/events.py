"""What the page's app is asked, checked first: Gradio answers 500 to an event that no page can have sent."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aegis.strict import load_json
from workloads.gateway.errors import UnprocessableError


class Events:
    """Passes events on to `app`. `inputs` has the number of inputs of each function that the page may call."""

    def __init__(self, app: ASGIApp, inputs: Mapping[int, int]) -> None:
        self._app = app
        self._inputs = inputs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection.

        Raises:
            UnprocessableError: It is an event, and not one of the page.
        """
        if scope["type"] == "http" and scope["method"] == "POST":
            body = await Request(scope, receive).body()
            self._check(body)
            receive = _once(body, receive)
        await self._app(scope, receive, send)

    def _check(self, body: bytes) -> None:
        try:
            event = load_json(body)
        except ValueError as error:
            raise UnprocessableError("The event isn't JSON.") from error
        match event:
            case {"fn_index": int(index), "data": list(data)} if len(data) >= self._inputs.get(index, len(data) + 1):
                return
        raise UnprocessableError("The page has no such event.")


def _once(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, and then what `receive` does."""
    left: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
