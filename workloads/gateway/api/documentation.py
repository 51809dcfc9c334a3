"""What the OpenAPI document says about answers: each that can happen, with an example."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from workloads.gateway.api import problems

_URN: Final = "urn:aegis:problem:"
_PROBLEM: Final[Mapping[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "An error in the form of RFC 9457.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Stays the same: what a program can rely on."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened this time."},
        "errors": {
            "type": "array",
            "description": "The parts of the request that are not allowed.",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "problem": {"type": "string"}},
                "required": ["where", "problem"],
            },
        },
    },
}
_RETRY: Final = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}}
# Status: kind, and what it means here.
_PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid-request", "The body is not JSON, or MLflow or the model finds the request invalid."),
    401: ("unauthenticated", "MLflow doesn't accept the caller's authentication."),
    403: ("forbidden", "The caller may not do this."),
    404: ("not-found", "What the request names isn't there."),
    405: ("method-not-allowed", "The address has other methods, which the header Allow lists."),
    409: ("conflict", "The request contradicts the present state."),
    408: ("too-slow", "The body does not come in time."),
    413: ("too-large", "The body is larger than the gateway allows."),
    422: ("invalid-form", "The request has a form that is not allowed."),
    429: ("too-many-requests", "MLflow limits the caller's requests."),
    500: ("internal", "The gateway failed; its log has the reason."),
    502: ("upstream-failed", "MLflow or the model failed."),
    503: ("unavailable", "MLflow or the model does not answer in time."),
}
_ALWAYS: Final = (400, 401, 403, 404, 405, 408, 413, 422, 429, 500, 502, 503)

Responses = dict[int | str, dict[str, Any]]


def answers(
    status: int = 200,
    *,
    description: str,
    example: object = None,
    schema: Mapping[str, Any] | None = None,
    media_type: str = "application/json",
    headers: Mapping[str, Any] | None = None,
    also: tuple[int, ...] = (),
) -> Responses:
    """Return the answers of an operation: its success, the errors that every one may have, and those of `also`."""
    content: dict[str, Any] = {"schema": dict(schema or {"type": "object"})}
    if example is not None:
        content["example"] = example
    success: dict[str, Any] = {"description": description, "content": {media_type: content}}
    if headers:
        success["headers"] = dict(headers)
    return {status: success, **{each: _problem(each) for each in sorted({*_ALWAYS, *also})}}


def _problem(status: int) -> dict[str, Any]:
    kind, meaning = _PROBLEMS[status]
    example = {"type": _URN + kind, "title": HTTPStatus(status).phrase, "status": status, "detail": meaning}
    answer: dict[str, Any] = {
        "description": meaning,
        "content": {problems.MEDIA_TYPE: {"schema": dict(_PROBLEM), "example": example}},
    }
    return answer | (
        {"headers": _RETRY} if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE) else {}
    )


def listed(name: str) -> dict[str, Any]:
    """Return the schema of a page with the list `name`."""
    entries = {"type": "array", "items": {"type": "object"}}
    return {
        "type": "object",
        "required": [name],
        "properties": {name: entries, "next_page_token": {"type": "string"}},
    }


def holding(*names: str) -> dict[str, Any]:
    """Return the schema of an object that has at least these members."""
    return {"type": "object", "required": list(names), "properties": {name: {} for name in names}}
