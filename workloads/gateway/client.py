"""The wrapper of MLflow's REST API: one caller's requests, whose failures become errors of the gateway."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from workloads.gateway import errors
from workloads.gateway.caller import Caller
from workloads.gateway.document import Document
from workloads.gateway.upstream import RETRY_AFTER, Answer, Upstream

_API: Final = "/api/2.0/mlflow/"
_JSON: Final = ("content-type", "application/json")
# MLflow answers these with 400, like a request that is malformed.
_CONFLICTS: Final = (
    "Changing param values is not allowed",
    "must be in the 'active' state",
    "must be in 'active' state",
)
# What this MLflow doesn't do, such as workspaces, although the request asks for it. MLflow answers 500.
_NOT_HERE: Final = ("FEATURE_DISABLED", "NOT_IMPLEMENTED")
_BY_STATUS: Final[Mapping[int, type[errors.GatewayError]]] = {
    HTTPStatus.UNAUTHORIZED: errors.UnauthenticatedError,
    HTTPStatus.FORBIDDEN: errors.ForbiddenError,
    HTTPStatus.NOT_FOUND: errors.NotFoundError,
    HTTPStatus.CONFLICT: errors.ConflictError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: errors.TooLargeError,
    HTTPStatus.TOO_MANY_REQUESTS: errors.LimitedError,
    HTTPStatus.SERVICE_UNAVAILABLE: errors.UnavailableError,
}
# A server without Aegis's own layer answers 400 or 500 if a connection to its database, or the lock of SQLite's file,
# wasn't had in time. Nothing was written then.
_BUSY: Final = ("QueuePool limit", "database is locked")
_LONGEST_DETAIL: Final = 1000
# MLflow quotes its database's driver: the statement, and the name of the driver's error before its text.
_OF_DATABASE: Final = ("[SQL", "sqlalche.me/", "psycopg.", "sqlite3.", "sqlalchemy.")
_DRIVER_ERROR: Final = re.compile(
    r"(\b(Error|[A-Z_]+):\s*)?\((raised as a result of|(\w+\.)+\w+\)|\w*Error\)).*", re.DOTALL
)
# What a database says if two requests write the same new thing at the same time, or it is there already.
_TAKEN: Final = "unique constraint"


class MLflowClient:
    """MLflow's REST API as one caller sees it. All requests end before `deadline`, a time of the loop's clock."""

    def __init__(self, upstream: Upstream, caller: Caller, *, deadline: float | None = None) -> None:
        self.upstream = upstream
        self.caller = caller
        self.deadline = deadline

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Document:
        """Read `path`, which is below `/api/2.0/mlflow/` unless it begins with a slash.

        Raises:
            GatewayError: MLflow refuses, or doesn't answer.
        """
        return await self._ask("GET", path, params=params)

    async def post(self, path: str, body: Mapping[str, Any]) -> Document:
        """Send a JSON body to `path`; paths and errors as in `get`."""
        return await self._ask("POST", path, content=json.dumps(body).encode())

    async def find(self, path: str, body: Mapping[str, Any]) -> Document:
        """Read with a JSON body, which is repeated once if the connection breaks."""
        return await self._ask("POST", path, content=json.dumps(body).encode(), safe=True)

    async def delete(self, path: str, body: Mapping[str, Any]) -> Document:
        """Delete what a JSON body names; paths and errors as in `get`."""
        return await self._ask("DELETE", path, content=json.dumps(body).encode())

    async def text(self, path: str) -> str:
        """Read a short text at `path`, which begins with a slash."""
        answer = await self.upstream.ask("GET", path, headers=self.caller.headers, deadline=self.deadline)
        return _body(answer).decode(errors="replace").strip()

    async def send(self, path: str, body: bytes) -> Document:
        """Send a body that is JSON already."""
        return await self._ask("POST", path, content=body)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        safe: bool | None = None,
    ) -> Document:
        headers = self.caller.headers if content is None else (*self.caller.headers, _JSON)
        target = path if path.startswith("/") else _API + path
        answer = await self.upstream.ask(
            method, target, headers=headers, params=params, content=content, deadline=self.deadline, safe=safe
        )
        return Document(_body(answer))


def _body(answer: Answer) -> bytes:
    if answer.status != HTTPStatus.OK:
        raise failure(answer)
    return answer.body


def failure(answer: Answer) -> errors.GatewayError:
    """Return the error for an answer of MLflow that isn't a success."""
    code, message = _parsed(answer.body)
    if any(part in message for part in _BUSY):
        return errors.UnavailableError("MLflow's database is busy.", retry_after=RETRY_AFTER)
    detail = _without_database(message)[:_LONGEST_DETAIL] or f"MLflow answers with the status {answer.status}."
    taken = code in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS") or _TAKEN in message.lower()
    if taken or any(part in message for part in _CONFLICTS):
        return errors.ConflictError(detail)
    kind = errors.InvalidError if code in _NOT_HERE else _BY_STATUS.get(answer.status)
    if kind is None:
        client_error = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
        kind = errors.InvalidError if client_error else errors.UpstreamError
    wait = answer.headers.get("retry-after", "")
    unavailable = kind in (errors.UnavailableError, errors.LimitedError)
    seconds = int(wait) if wait.isdigit() else RETRY_AFTER if unavailable else None
    return kind(detail, retry_after=seconds, challenge=answer.headers.get("www-authenticate"))


def _without_database(message: str) -> str:
    """Return a message without what MLflow's database says, which nobody outside should see."""
    if not any(mark in message for mark in _OF_DATABASE):
        return message
    said = _DRIVER_ERROR.sub("", message).strip()
    # Words of the database in another form: nothing of the message is safe to show.
    hidden = not said or any(mark in said for mark in _OF_DATABASE)
    return "MLflow's database refuses it." if hidden else said


def _parsed(body: bytes) -> tuple[str, str]:
    try:
        error = json.loads(body)
        return str(error.get("error_code", "")), str(error.get("message", ""))
    except (ValueError, AttributeError, RecursionError):
        return "", ""
