"""A connection pool in which requests wait instead of failing, whatever the number of clients.

For some requests, such as log-batch, MLflow holds one connection and asks for a second. When each connection is held by
a request that waits for its second one, all these requests fail after 30 seconds with a 400, which clients don't retry.
In this pool a thread waits before its first connection, so that a thread with a connection always gets its second one.
"""

import asyncio
import threading
from typing import Any, Final

from psycopg import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

# Seconds that a request waits for its turn: fewer than the 120 s after which MLflow's clients give up, so that they get
# the answer that tells them to retry.
PATIENCE: Final = 80
# Seconds that a thread with an event loop waits: meanwhile its process serves nothing, not even probes.
LOOP_PATIENCE: Final = 5


class _Turn:
    """The period in which a thread holds connections or asks for its first one."""

    def __init__(self) -> None:
        self.connections = 1


class QueueingPool(QueuePool):
    """A `QueuePool` of `pool_size + max_overflow` connections that serves at most one thread fewer at a time.

    One connection is reserved for second requests. As no thread asks for a third one, threads can't deadlock.
    """

    def __init__(self, creator: Any, pool_size: int = 5, max_overflow: int = 10, **options: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own signature
        super().__init__(creator, pool_size=pool_size, max_overflow=max_overflow, **options)
        self._free_turns = max(1, pool_size + max_overflow - 1)
        # A reentrant lock: a garbage-collected session returns its connection in the middle of whatever its thread
        # runs, including this class's code.
        self._turn_over = threading.Condition(threading.RLock())
        self._thread = threading.local()
        self._holders: dict[ConnectionPoolEntry, _Turn] = {}

    def _do_get(self) -> ConnectionPoolEntry:
        """Return a connection, after waiting for a turn if the thread has none.

        Raises:
            OperationalError: There was no turn within `PATIENCE`; MLflow answers "temporarily unavailable".
        """
        # `QueuePool` calls this method recursively when another thread takes the connection that it had found.
        if getattr(self._thread, "asks", False):
            return super()._do_get()
        turn = self._join()
        self._thread.asks = True
        try:
            entry = super()._do_get()
        except PoolTimeoutError as error:
            self._leave(turn)
            raise _busy(self.timeout()) from error
        except BaseException:
            self._leave(turn)
            raise
        finally:
            self._thread.asks = False
        # Another thread may return the connection, so the turn is kept with it.
        self._holders[entry] = turn
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        turn = self._holders.pop(record)
        try:
            super()._do_return_conn(record)
        finally:
            self._leave(turn)

    def _join(self) -> _Turn:
        """Return the thread's current turn with one more connection, or a new turn."""
        turn: _Turn | None = getattr(self._thread, "turn", None)
        with self._turn_over:
            if turn is not None and turn.connections:
                turn.connections += 1
                return turn
            patience = _patience()
            if not self._turn_over.wait_for(lambda: self._free_turns, patience):
                raise _busy(patience)
            self._free_turns -= 1
        turn = self._thread.turn = _Turn()
        return turn

    def _leave(self, turn: _Turn) -> None:
        with self._turn_over:
            turn.connections -= 1
            if not turn.connections:
                self._free_turns += 1
                self._turn_over.notify()


def _patience() -> float:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return PATIENCE
    return LOOP_PATIENCE


def _busy(seconds: float) -> OperationalError:
    return OperationalError(f"no connection to the database was free within {seconds:g} seconds")
