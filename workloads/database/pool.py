"""A pool in which requests wait for a connection instead of failing, whatever the number of clients.

MLflow answers some requests, log-batch among them, with one connection held while it asks for a second. When every
connection is held by a request that waits for its second one, all of them fail after 30 seconds with a 400 that no
client retries. Here a thread waits before its first connection, so that those that hold one always get their second.
"""

import threading
from typing import Any, Final

from psycopg import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

# Seconds that a request waits for its turn. MLflow's clients wait for an answer for 120, and are so told to come back
# before they give up.
PATIENCE: Final = 80


class _Turn:
    """The time in which a thread holds connections."""

    def __init__(self) -> None:
        self.connections = 0


class QueueingPool(QueuePool):
    """A `QueuePool` of `pool_size + max_overflow` connections that serves one thread fewer than that at a time.

    One connection is kept for second ones: as no thread asks for a third, no two threads ever wait for each other.
    """

    def __init__(self, creator: Any, pool_size: int = 5, max_overflow: int = 10, **options: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own signature
        super().__init__(creator, pool_size=pool_size, max_overflow=max_overflow, **options)
        self._turns = threading.BoundedSemaphore(max(1, pool_size + max_overflow - 1))
        self._thread = threading.local()
        self._holders: dict[ConnectionPoolEntry, _Turn] = {}

    def _do_get(self) -> ConnectionPoolEntry:
        """Return a connection, after waiting for a turn if the thread has none.

        Raises:
            OperationalError: There was no turn within `PATIENCE`; MLflow answers "temporarily unavailable".
        """
        turn = self._turn()
        try:
            entry = super()._do_get()
        except BaseException:
            self._end_if_over(turn)
            raise
        turn.connections += 1
        # A session that is collected as garbage returns its connection in any thread: the turn goes with it.
        self._holders[entry] = turn
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        turn = self._holders.pop(record)
        super()._do_return_conn(record)
        turn.connections -= 1
        self._end_if_over(turn)

    def _turn(self) -> _Turn:
        turn: _Turn | None = getattr(self._thread, "turn", None)
        if turn is None or turn.connections == 0:
            if not self._turns.acquire(timeout=PATIENCE):
                raise OperationalError(f"no connection to the database was free within {PATIENCE} seconds")
            turn = self._thread.turn = _Turn()
        return turn

    def _end_if_over(self, turn: _Turn) -> None:
        if turn.connections == 0:
            self._turns.release()
