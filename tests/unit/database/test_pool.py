"""The connection pool: requests wait for a connection, but not forever."""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, cycle
from typing import Any

import pytest
from psycopg import OperationalError
from sqlalchemy.pool import QueuePool

from workloads.database import pool
from workloads.database.pool import QueueingPool


class Database:
    """Refuses the first `refuses` connections, and records the most that were open at one time."""

    def __init__(self, *, refuses: int = 0) -> None:
        self.most = self._open = 0
        self._refuses = refuses
        self._lock = threading.Lock()

    def connect(self) -> Any:
        with self._lock:
            if self._refuses:
                self._refuses -= 1
                raise OperationalError("the database is starting up")
            self._open += 1
            self.most = max(self.most, self._open)
        return Connection(self)

    def disconnect(self) -> None:
        with self._lock:
            self._open -= 1


class Connection:
    def __init__(self, database: Database) -> None:
        self.close = database.disconnect

    def rollback(self) -> None: ...


def log_batch(connections: QueuePool) -> bool:
    """Take a second connection while holding one, as MLflow does."""
    outer = connections.connect()
    inner = connections.connect()
    inner.close()
    outer.close()
    return True


def run_many(connections: QueuePool, clients: int) -> int:
    with ThreadPoolExecutor(clients) as threads:
        return sum(threads.map(lambda _: log_batch(connections), range(clients * 4)))


@pytest.mark.parametrize("clients", [16, 64])
def test_every_request_is_answered_whatever_the_number_of_clients(clients: int) -> None:
    database = Database()
    connections = QueueingPool(database.connect, pool_size=1, max_overflow=1, timeout=5)
    assert run_many(connections, clients) == clients * 4


def test_the_pool_never_opens_more_connections_than_its_limit() -> None:
    database = Database()
    assert run_many(QueueingPool(database.connect, pool_size=3, max_overflow=1, timeout=5), 32) == 128
    assert database.most <= 4


def test_a_request_without_a_turn_in_time_fails_as_a_busy_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PATIENCE", 0.05)
    connections = QueueingPool(Database().connect, pool_size=1, max_overflow=1)
    held = connections.connect()
    with (
        ThreadPoolExecutor(1) as thread,
        pytest.raises(OperationalError, match="no connection to the database was free"),
    ):
        thread.submit(connections.connect).result()
    held.close()
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(log_batch, connections).result()


def test_a_request_on_an_event_loop_waits_for_seconds_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "LOOP_PATIENCE", 0.05)
    connections = QueueingPool(Database().connect, pool_size=1, max_overflow=1)
    held = connections.connect()

    async def ask() -> None:
        connections.connect()

    with ThreadPoolExecutor(1) as thread, pytest.raises(OperationalError, match="was free within"):
        thread.submit(asyncio.run, ask()).result(timeout=20)
    held.close()


def test_a_refused_connection_takes_no_turn() -> None:
    connections = QueueingPool(Database(refuses=5).connect, pool_size=1, max_overflow=1)
    for _ in range(5):
        with pytest.raises(OperationalError, match="starting up"):
            connections.connect()
    assert run_many(connections, 8) == 32


def test_a_connection_returned_by_another_thread_ends_its_turn() -> None:
    connections = QueueingPool(Database().connect, pool_size=1, max_overflow=1)
    with ThreadPoolExecutor(1) as thread:
        taken = thread.submit(connections.connect).result()
        taken.close()
        assert thread.submit(log_batch, connections).result()
    assert run_many(connections, 8) == 32


def test_a_garbage_collected_connection_ends_its_turn() -> None:
    connections = QueueingPool(Database().connect, pool_size=1, max_overflow=1)
    taken = connections.connect()
    del taken
    gc.collect()
    assert run_many(connections, 8) == 32


def test_a_thread_that_loses_the_race_for_a_connection_takes_one_turn_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PATIENCE", 0.05)
    connections = QueueingPool(Database().connect, pool_size=1, max_overflow=1)
    # As when another thread opens the last connection between QueuePool's check and its attempt: QueuePool recurses.
    answers = chain([False], cycle([True]))
    may_open = QueuePool._inc_overflow
    monkeypatch.setattr(QueuePool, "_inc_overflow", lambda self: next(answers) and may_open(self))
    assert log_batch(connections)
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(log_batch, connections).result()


def test_a_connection_that_cannot_be_returned_still_ends_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = QueueingPool(Database().connect, pool_size=1, max_overflow=1)
    taken = connections.connect()
    with monkeypatch.context() as patched:

        def refuse(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(QueuePool, "_do_return_conn", refuse)
        with pytest.raises(KeyboardInterrupt):
            taken.close()
    monkeypatch.setattr(pool, "PATIENCE", 0.05)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(connections.connect).result().close()


def test_a_turn_without_a_free_connection_fails_as_a_busy_database_too() -> None:
    connections = QueueingPool(Database().connect, pool_size=1, max_overflow=1, timeout=0.05)
    held = [connections.connect(), connections.connect()]
    with pytest.raises(OperationalError, match="no connection to the database was free"):
        connections.connect()
    for each in held:
        each.close()
    assert run_many(connections, 8) == 32


def test_a_pool_recreated_after_a_lost_connection_has_the_same_limits() -> None:
    database = Database()
    old = QueueingPool(database.connect, pool_size=1, max_overflow=1, timeout=5)
    held = old.connect()
    new = old.recreate()
    assert isinstance(new, QueueingPool)
    held.close()
    old.dispose()
    assert run_many(new, 16) == 64
    assert database.most <= 2
