"""What the page's app is asked, checked first: Gradio answers 500 to an event that no page can have sent."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aegis.strict import load_json
from workloads.gateway.errors import UnprocessableError

# Characters of an input that an error quotes.
_LONGEST_SHOWN: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What an input of the page may be, and what a person calls it."""

    name: str
    fits: Callable[[object], bool]


TEXT: Final = Kind(name="a text or null", fits=lambda value: value is None or isinstance(value, str))
TEXTS: Final = Kind(name="a list of texts or null", fits=lambda value: value is None or _are_texts(value))
FLAG: Final = Kind(name="true, false or null", fits=lambda value: value is None or isinstance(value, bool))


def one_of(values: Collection[str]) -> Kind:
    """Return what one of these texts is, or null."""
    return Kind(name=f"one of {', '.join(values)}, or null", fits=lambda value: value is None or value in tuple(values))


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function that the page may call: its inputs, and whether it is told what the user selected."""

    inputs: Sequence[Kind]
    selects: bool


class Events:
    """Passes the events of the page's functions on to `app`."""

    def __init__(self, app: ASGIApp, functions: Mapping[int, Function]) -> None:
        self._app = app
        self._functions = functions

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
            case {"fn_index": int(index), "data": list(data)} if function := self._functions.get(index):
                _check_inputs(function, data)
                if function.selects and not _is_selection(event.get("event_data")):
                    raise UnprocessableError("The event must say what was selected: its index and its value.")
            case _:
                raise UnprocessableError("The page has no such event.")


def _check_inputs(function: Function, data: Sequence[object]) -> None:
    if len(data) < len(function.inputs):
        raise UnprocessableError(f"The event has {len(data)} of {len(function.inputs)} inputs.")
    for number, (kind, value) in enumerate(zip(function.inputs, data, strict=False), start=1):
        if not kind.fits(value):
            raise UnprocessableError(f"Input {number} of the event must be {kind.name}, got {_shown(value)}.")


def _is_selection(value: object) -> bool:
    return isinstance(value, dict) and {"index", "value"} <= set(value)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _once(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, and then what `receive` does."""
    left: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
