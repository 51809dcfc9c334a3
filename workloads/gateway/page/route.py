"""The page's addresses in the gateway's app.

Gradio takes seconds and some 150 MB to import, so it is imported in a thread when somebody opens the page: a gateway
that is only used as an API never pays for it. Gradio serves more than this page needs, such as uploads and files. Only
the addresses that the page asks for lead to it; everything else is answered by the gateway.
"""

import asyncio
import importlib.util
import logging
import re
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workloads.gateway.errors import GatewayError, UnauthenticatedError
from workloads.gateway.manager import MLflowManager

_READ: Final = re.compile(r"/(|theme\.css|gradio_api/theme\.css|favicon\.ico|manifest\.json|assets/.+|static/.+)")
_ASK: Final = re.compile(r"/gradio_api/run/predict/?")
# The browser itself refuses what the page might load from elsewhere. Gradio compiles its templates, and Plotly its
# drawing, in the browser.
_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)

_log = logging.getLogger(__name__)


def mount(app: FastAPI, manager: MLflowManager, *, seconds: float) -> bool:
    """Serve the page at `/`, after all other routes, and return whether Gradio is installed.

    All requests to MLflow for one action of a user end within `seconds`.
    """
    if importlib.util.find_spec("gradio") is None:
        return False
    app.router.routes.append(PageRoute(manager, lambda: _made(manager, seconds)))
    return True


def _made(manager: MLflowManager, seconds: float) -> ASGIApp:
    from workloads.gateway.page.building import make  # noqa: PLC0415 - imports Gradio, see above

    started = time.monotonic()
    made = make(manager, seconds=seconds)
    _log.info("The page is ready after %.1f s.", time.monotonic() - started)
    return made


class PageRoute(BaseRoute):
    """A route for what the page asks for. `make` returns the app behind it; it is called once, in a thread."""

    # What the gateway's measurements call it.
    path = "/"

    def __init__(self, manager: MLflowManager, make: Callable[[], ASGIApp]) -> None:
        self._manager = manager
        self._make = make
        self._made: asyncio.Task[ASGIApp] | None = None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the page needs this request."""
        allowed = _ALLOWED.get(scope["method"]) if scope["type"] == "http" else None
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return (Match.FULL, {"route": self}) if allowed and allowed.fullmatch(path) else (Match.NONE, {})

    def url_path_for(self, name: str, /, **path_params: object) -> object:  # type: ignore[override]
        """Have no address by name."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path == "/" and (refusal := await self._refusal(scope)):
            await refusal(scope, receive, send)
            return
        if self._made is None:
            self._made = asyncio.create_task(asyncio.to_thread(self._make))
        page = await asyncio.shield(self._made)
        # Gradio would load the state of a page from a file that a query names.
        await page({**scope, "query_string": b""}, receive, _guarded(send))

    async def _refusal(self, scope: Scope) -> ASGIApp | None:
        """Return MLflow's demand for a login, which makes the browser ask for one; else None.

        A dead MLflow is no refusal: the page says so itself.
        """
        mlflow = self._manager.as_caller(Headers(scope=scope), seconds=_LOGIN_SECONDS)
        try:
            await mlflow.experiments.search(max_results=1)
        except UnauthenticatedError as error:
            challenge = error.challenge or 'Basic realm="mlflow"'
            return PlainTextResponse(error.detail, HTTPStatus.UNAUTHORIZED, {"www-authenticate": challenge})
        except GatewayError:
            return None
        return None


_ALLOWED: Final = {"GET": _READ, "HEAD": _READ, "POST": _ASK}
_LOGIN_SECONDS: Final = 1.0


def _guarded(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message["headers"]))
            headers["content-security-policy"] = _POLICY
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "same-origin"
            message = {**message, "headers": headers.raw}
        await send(message)

    return guarded
