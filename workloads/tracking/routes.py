"""The templates of MLflow's routes, such as `/api/2.0/mlflow-artifacts/artifacts/{artifact_path}`."""

import re
from functools import lru_cache
from typing import Final

from flask import Flask
from starlette.types import Scope
from werkzeug.exceptions import HTTPException

from contracts import READY_PATH

# The path of a request that MLflow has no route for.
UNMATCHED: Final = "unmatched"

# `<path:name>` of Flask, and `{name:path}` of FastAPI.
_PARAMETER: Final = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>|\{([^{}:]+):[^{}]+\}")


class Routes:
    """Finds the template of a request's path after the request has been handled.

    A native route is in the request's scope. MLflow's other routes are Flask's, behind one mount. Requests that were
    answered before they reached any route, such as those of unknown hosts, get the template of the route that they
    would have reached: Flask also has those of artifacts.
    """

    def __init__(self, flask: Flask) -> None:
        self._flask = flask.url_map.bind("localhost")

    def __call__(self, scope: Scope, path: str) -> str:
        """Return the template, or `UNMATCHED`."""
        native = _native(scope)
        if native:
            return _plain(native)
        if path == READY_PATH:
            return path
        try:
            rule, _ = self._flask.match(path, method=scope["method"], return_rule=True)
        except HTTPException:
            return UNMATCHED
        return _plain(rule.rule)


def _native(scope: Scope) -> str:
    """Return the template of the route that FastAPI has chosen, "" for the mount of Flask or none."""
    # FastAPI keeps a route with its router's prefix apart from the route itself.
    with_prefix = scope.get("fastapi", {}).get("effective_route_context")
    return getattr(with_prefix, "path_format", None) or getattr(scope.get("route"), "path", "")


@lru_cache(maxsize=1024)
def _plain(template: str) -> str:
    return _PARAMETER.sub(lambda found: f"{{{found[1] or found[2]}}}", template)
