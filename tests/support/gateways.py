"""Gateways in this process, and the servers behind them: a real MLflow, or stand-ins that can be slow or dead."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.tracking_store import copy_of_database
from workloads.gateway.app import create_app
from workloads.gateway.settings import Settings

# Seconds until MLflow's server has started, on a busy machine.
_START = 180
# The administrator of an MLflow with users.
ADMIN = ("admin", "the password of the administrator")


@contextlib.contextmanager
def serving(app: Any, **options: Any) -> Iterator[str]:
    """Serve an ASGI app in a thread, with options of uvicorn, and give its address."""
    options = {"log_level": "critical", "loop": "uvloop", "http": "httptools", "timeout_keep_alive": 60, **options}
    config = uvicorn.Config(app, port=0, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def gateway(tracking_uri: str, **options: Any) -> Iterator[httpx.Client]:
    """Run a gateway, and give a client of it."""
    with (
        serving(create_app(Settings(tracking_uri=tracking_uri, **options))) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


@contextlib.contextmanager
def mlflow_server(folder: Path, *, login: bool = False) -> Iterator[str]:
    """Run a real `mlflow server`, and give its address. With `login`, it has users, of whom ADMIN is the first."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", copy_of_database(folder), "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.log").open("wb") as log:
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        if login:
            command += ["--app-name", "basic-auth"]
            environment |= {"MLFLOW_AUTH_CONFIG_PATH": _auth_config(folder), "MLFLOW_FLASK_SERVER_SECRET_KEY": "tests"}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, folder / "server.log")
        yield url
    finally:
        process.terminate()
        process.wait()


def _auth_config(folder: Path) -> str:
    """Write the settings of MLflow's own users, who by default may do nothing with what others made."""
    file = folder / "auth.ini"
    name, password = ADMIN
    # MLflow hashes the password of each request, which takes 0.1 s of CPU: let it remember those that were right.
    file.write_text(f"""\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{folder}/auth.db
admin_username = {name}
admin_password = {password}
auth_cache_ttl_seconds = 60
""")
    return str(file)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers `/health`."""
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()[-1000:]}")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health", timeout=2).is_success:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start: {log.read_text()[-1000:]}")


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@dataclass(kw_only=True)
class StandIn:
    """A server behind the gateway: `answer` says what it answers, after `delay` seconds. It keeps what it was asked."""

    answer: Callable[[Request, bytes], Response | Awaitable[Response]] = lambda _request, _body: JSONResponse({})
    delay: float = 0
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.body()
        self.asked.append((request.method, request.url.path, _parsed(body)))
        self.headers.append(dict(request.headers))
        await asyncio.sleep(self.delay)
        response = self.answer(request, body)
        await (response if isinstance(response, Response) else await response)(scope, receive, send)

    def bodies(self, path: str) -> list[Any]:
        """Return the bodies that were sent to a path of MLflow's API."""
        return [body for _, asked, body in self.asked if asked == f"/api/2.0/mlflow/{path}"]


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body
