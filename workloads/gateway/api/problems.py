"""Errors as problems of RFC 9457, whatever part of the server they come from."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from workloads.gateway.errors import GatewayError, UnprocessableError

MEDIA_TYPE: Final = "application/problem+json"
# The types of problems are names, not addresses: they stay the same wherever the gateway runs.
_TYPE: Final = "urn:aegis:problem:"
_MOST_ERRORS: Final = 20
_MUST: Final = "must be "

_log = logging.getLogger(__name__)


class Problem(Response):
    """An error as the answer of the API."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        content = {"type": f"{_TYPE}{kind}", "title": title, "status": int(status), "detail": detail, **more}
        super().__init__(json.dumps(content).encode(), status_code=status, headers=headers)


def problem_of(error: GatewayError) -> Problem:
    """Return the answer for an error."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.challenge is not None:
        headers["www-authenticate"] = error.challenge
    return Problem(error.status, error.kind, error.title, error.detail, headers=headers)


def answer_with_problems(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _gateway_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 - the handler is registered for it
    return problem_of(error)


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the handler is registered for it
    found = _described(error.errors())[:_MOST_ERRORS]
    detail = "; ".join(_sentence(**each) for each in found[:3])
    return Problem(UnprocessableError.status, UnprocessableError.kind, UnprocessableError.title, detail, errors=found)


def _described(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the problem of each place. Of the alternatives of a union, those that come nearest to the input count."""
    found: dict[tuple[str, ...], list[str]] = {}
    for each in errors:
        found.setdefault(_place(each["loc"]), []).append(_problem(each["msg"]))
    nearest = {place for place in found if not any(other != place and other[: len(place)] == place for other in found)}
    return [
        {"where": ".".join(place), "problem": " or ".join(problems).replace(f" or {_MUST}", " or ")}
        for place, problems in found.items()
        if place in nearest
    ]


def _place(location: Sequence[object]) -> tuple[str, ...]:
    # Pydantic names the types of a union and the functions that check them, too.
    return tuple(_printable(part) for part in location if not re.search(r"[a-z]\[|^constrained-", str(part)))


def _problem(message: str) -> str:
    text = _printable(message).removeprefix("Value error, ")
    return text.replace("Input should be ", _MUST, 1).replace("Field required", "is missing", 1)


def _sentence(where: str, problem: str) -> str:
    return f"{where} {problem}" if problem.startswith((_MUST, "is ")) else f"{where}: {problem}"


def _printable(value: object) -> str:
    return str(value).encode(errors="backslashreplace").decode()[:200]


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for it
    status = HTTPStatus(error.status_code)
    kind = status.phrase.lower().replace(" ", "-")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_methods(request))
        detail = f"{request.method} is not allowed for this address, only {allowed}."
        return Problem(status, kind, status.phrase, detail, headers={"allow": allowed})
    detail = error.detail if error.detail != status.phrase else status.description or status.phrase
    return Problem(status, kind, status.phrase, detail, headers=error.headers)


def _methods(request: Request) -> list[str]:
    """Return the methods of all routes that have the address of a request."""
    routes = [each for each in request.app.routes if isinstance(each, Route)]
    matching = [each for each in routes if each.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for each in matching for method in each.methods or ()})


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed.", request.method, request.url.path, exc_info=error)
    return Problem(500, GatewayError.kind, GatewayError.title, "The gateway has logged the reason.")
