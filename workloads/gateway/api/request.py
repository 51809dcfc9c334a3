"""What the routes have in common: the caller's view of MLflow, and answers in JSON."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response

from workloads.gateway.caller import Caller
from workloads.gateway.document import Document
from workloads.gateway.errors import UnprocessableError
from workloads.gateway.idempotency import Key
from workloads.gateway.manager import MLflowManager

PREFIX: Final = "/api/mlflow"
JSON: Final = "application/json"
# Characters of a parameter's name that an answer shows.
_SHOWN: Final = 80
REPLAYED: Final = {
    "Idempotency-Replayed": {
        "description": "`true` if an earlier request with the same key created it.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


def router(tag: str) -> APIRouter:
    """Return a router for operations of the API."""
    return APIRouter(prefix=PREFIX, tags=[tag], default_response_class=Response, dependencies=[Depends(_check_query)])


async def _check_query(request: Request) -> None:
    """Check that a route knows the parameters in the query: a misspelt one must not be taken for none.

    Raises:
        UnprocessableError: It doesn't.
    """
    known = sorted(each.alias for each in request.scope["route"].dependant.query_params)
    if unknown := sorted(set(request.query_params) - set(known)):
        allowed = f"allowed are {', '.join(known)}" if known else "this address has none"
        raise UnprocessableError(f"The query has an unknown parameter {unknown[0][:_SHOWN]!r}; {allowed}.")


def asked(request: Request) -> MLflowManager:
    """Return MLflow as the caller of `request` sees it, with the deadline of one request."""
    manager: MLflowManager = request.app.state.manager
    return manager.as_caller(request.headers, seconds=request.app.state.settings.deadline_seconds)


def passed_on(document: Document) -> Response:
    """Return MLflow's JSON as it came."""
    return Response(document.body, media_type=JSON)


def answer(value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an object as JSON."""
    return Response(json.dumps(value).encode(), status, headers, JSON)


def created(value: Mapping[str, Any], location: str, *, replayed: bool = False, status: int = 201) -> Response:
    """Return what was created."""
    headers = {"location": location} | ({"idempotency-replayed": "true"} if replayed else {})
    return answer(value, status, headers)


def key_of(text: str | None, caller: Caller, operation: str, body: Mapping[str, Any]) -> Key | None:
    """Return the idempotency key of a request, if it has one."""
    return None if text is None else Key.of(text, caller, operation, body)
