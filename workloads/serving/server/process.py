"""The server's process: it listens until a signal, and loses no request when it stops."""

import signal
import socket
import time
from types import FrameType
from typing import Final

import uvicorn
from starlette.applications import Starlette

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.server.app import State

# In seconds: longer than clients keep an idle connection, so that they close it first.
_IDLE: Final = 75
# In seconds, on top of the time that a request gets.
_MARGIN: Final = 5


def run(app: Starlette, state: State, *, host: str, port: int, drain: float, seconds: float) -> None:
    """Serve `app` at `host` and `port` until SIGTERM or SIGINT.

    After SIGTERM, the server isn't ready, but answers for `drain` more seconds: it takes time until every client knows
    that it must go elsewhere. Then it refuses new connections, and the requests in flight finish within `seconds`.

    Raises:
        WorkloadError: The address can't be listened at, because another server does, for example.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=round(seconds + _MARGIN),
    )
    with _listen(host, port, config.backlog) as listening:
        _Server(config, state, drain).run([listening])


def _listen(host: str, port: int, backlog: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        raise WorkloadError(f"{host} port {port} can't be listened at: {error.strerror}", Exit.USAGE) from error


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, state: State, drain: float) -> None:
        super().__init__(config)
        self._state = state
        self._drain = drain
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as in the base class
        """Stop slowly on the first SIGTERM, at once on any further signal; the exit code is 0, unlike uvicorn's."""
        self._state.stopping = True
        if self._stop_at is None and sig == signal.SIGTERM:
            self._stop_at = time.monotonic() + self._drain
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop; uvicorn asks every 0.1 s."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)
