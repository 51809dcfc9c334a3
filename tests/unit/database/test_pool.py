"""Requests wait for a connection, and none waits for ever."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg import OperationalError
from sqlalchemy.pool import QueuePool

from workloads.database import pool
from workloads.database.pool import QueueingPool


class Database:
    """Refuses so many connections first, and knows how many were open at one time."""

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
    """Hold one connection and ask for a second, as MLflow does."""
    outer = connections.connect()
    inner = connections.connect()
    inner.close()
    outer.close()
    return True


def run_many(connections: QueuePool, clients: int) -> int:
    with ThreadPoolExecutor(clients) as threads:
        return sum(threads.map(lambda _: log_batch(connections), range(clients * 4)))


@pytest.mark.parametrize("clients", [16, 64])
def test_every_request_is_answered_however_many_clients_there_are(clients: int) -> None:
    database = Database()
    connections = QueueingPool(database.connect, pool_size=1, max_overflow=1, timeout=5)
    assert run_many(connections, clients) == clients * 4


def test_no_more_connections_are_open_than_the_pool_may_have() -> None:
    database = Database()
    assert run_many(QueueingPool(database.connect, pool_size=3, max_overflow=1, timeout=5), 32) == 128
    assert database.most <= 4


def test_a_request_that_gets_no_turn_in_time_is_told_that_the_database_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_database_that_refuses_a_connection_takes_nobody_s_turn() -> None:
    connections = QueueingPool(Database(refuses=5).connect, pool_size=1, max_overflow=1)
    for _ in range(5):
        with pytest.raises(OperationalError, match="starting up"):
            connections.connect()
    assert run_many(connections, 8) == 32


def test_a_connection_that_another_thread_returns_ends_the_turn_of_the_one_that_took_it() -> None:
    connections = QueueingPool(Database().connect, pool_size=1, max_overflow=1)
    with ThreadPoolExecutor(1) as thread:
        taken = thread.submit(connections.connect).result()
        taken.close()
        assert thread.submit(log_batch, connections).result()
    assert run_many(connections, 8) == 32


def test_a_connection_that_is_collected_as_garbage_ends_its_turn() -> None:
    connections = QueueingPool(Database().connect, pool_size=1, max_overflow=1)
    taken = connections.connect()
    del taken
    gc.collect()
    assert run_many(connections, 8) == 32
