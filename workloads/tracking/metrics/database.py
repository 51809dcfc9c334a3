"""What one worker process measures of its database: the time of statements, and the use of connections.

MLflow opens several engines, so the listeners are those of all engines of the process.
"""

import logging
import threading
import time
from typing import Any, Final
from weakref import WeakSet

from prometheus_client import CollectorRegistry, Gauge, Histogram
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.pool import QueuePool

from workloads import logs
from workloads.tracking.exchange import Exchange

_logger: Final = logging.getLogger("aegis.sql")
# Seconds.
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30)
_OPERATIONS: Final = ("select", "insert", "update", "delete")
_OTHER: Final = "other"
# The key of a statement's start in what SQLAlchemy keeps with a connection, which runs one statement at a time.
_STARTED: Final = "aegis_started"


class DatabaseMetrics:
    """Measures each statement of this process from now on, and how many connections are used."""

    def __init__(self) -> None:
        # With several processes, prometheus_client reads its files and no registry.
        self.registry = registry = CollectorRegistry()
        seconds = Histogram(
            "aegis_database_seconds",
            "Seconds that a statement took in the database and on the way to it",
            ["operation"],
            buckets=_BUCKETS,
            registry=registry,
        )
        connections = Gauge(
            "aegis_database_pool_connections",
            "Open connections to the database, used by requests or idle",
            ["state"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._seconds = {operation: seconds.labels(operation) for operation in (*_OPERATIONS, _OTHER)}
        self._used, self._idle = connections.labels("used"), connections.labels("idle")
        self._pools: WeakSet[QueuePool] = WeakSet()
        # Requests end in one thread while others open pools.
        self._lock = threading.Lock()
        event.listen(Engine, "engine_connect", self._connected)
        event.listen(Engine, "before_cursor_execute", _begin)
        event.listen(Engine, "after_cursor_execute", self._executed)
        event.listen(Engine, "handle_error", self._failed)

    def update(self) -> None:
        """Note how many connections are used now."""
        with self._lock:
            pools = list(self._pools)
        self._used.set(sum(pool.checkedout() for pool in pools))
        self._idle.set(sum(pool.checkedin() for pool in pools))

    def begin(self) -> None:
        """Do nothing at the beginning of a request, which has no connection yet."""

    def end(self, exchange: Exchange) -> None:  # noqa: ARG002 - whatever it was
        """Note at the end of a request that its connections are free again, of which SQLAlchemy has no event."""
        self.update()

    def _connected(self, connection: Connection) -> None:
        if isinstance(connection.engine.pool, QueuePool):
            with self._lock:
                self._pools.add(connection.engine.pool)
            self.update()

    def _executed(self, connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        self._ended(connection, statement)

    def _failed(self, context: ExceptionContext) -> None:
        # The error may be of a new connection, or of something else than a statement.
        if context.connection is not None and context.statement is not None:
            self._ended(context.connection, context.statement)

    def _ended(self, connection: Connection, statement: str) -> None:
        # A statement on a connection that is lost never began.
        started = None if connection.closed or connection.invalidated else connection.info.pop(_STARTED, None)
        if started is None:
            return
        seconds = time.perf_counter() - started
        self._seconds[operation(statement)].observe(seconds)
        if _logger.isEnabledFor(logging.DEBUG):
            # Without its parameters, which may be secret.
            _logger.debug("%s", " ".join(statement.split()), extra=logs.fields(seconds=round(seconds, 6)))


def operation(statement: str) -> str:
    """Return what a statement does: `select`, `insert`, `update`, `delete` or `other`."""
    word = statement.lstrip(" \t\r\n(")[:6].lower()
    # Of MLflow's statements, only queries begin with common table expressions.
    word = "select" if word.startswith("with ") else word
    return word if word in _OPERATIONS else _OTHER


def _begin(connection: Connection, *_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
    connection.info[_STARTED] = time.perf_counter()
