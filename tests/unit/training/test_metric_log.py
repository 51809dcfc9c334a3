"""The metric buffer: it loses nothing while the server is away, lets nobody wait for it, and has a bound."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from mlflow.entities import Metric

from workloads.services import RefusedError, UnavailableError
from workloads.training.metric_log import BATCH_SIZE, MetricLog

Answer = Callable[[Sequence[Metric]], None]


class Server:
    """Answers as told, and remembers what arrived."""

    def __init__(self, answer: Answer = lambda _: None) -> None:
        self.answer = answer
        self.requests: list[list[int]] = []

    def take(self, metrics: Sequence[Metric]) -> None:
        self.requests.append([metric.step for metric in metrics])
        self.answer(metrics)


@contextmanager
def log_to(server: Server, *, capacity: int = 10_000, every: float = 0.005) -> Iterator[MetricLog]:
    log = MetricLog(server.take, capacity=capacity, every=every)
    yield log
    log.close()


def metrics(count: int) -> list[Metric]:
    return [Metric("loss", 0.5, 0, step) for step in range(count)]


def refuse(_: Sequence[Metric]) -> None:
    raise RefusedError("no such run")


def unavailable(_: Sequence[Metric]) -> None:
    raise UnavailableError("connection refused")


def test_metrics_arrive_in_order_and_in_batches_that_the_server_takes() -> None:
    server = Server()
    with log_to(server, every=60) as log:
        log.add(*metrics(2 * BATCH_SIZE + 7))
        assert log.flush(5)
    assert list(chain.from_iterable(server.requests)) == list(range(2 * BATCH_SIZE + 7))
    assert [len(request) for request in server.requests] == [BATCH_SIZE, BATCH_SIZE, 7]


def test_a_few_metrics_are_sent_after_a_while_without_being_asked_for() -> None:
    arrived = threading.Event()
    with log_to(Server(lambda _: arrived.set())) as log:
        log.add(*metrics(1))
        assert arrived.wait(5)


def test_a_server_that_is_away_for_a_while_costs_no_metric() -> None:
    server = Server(lambda _: unavailable(_) if len(server.requests) < 4 else None)
    with log_to(server) as log:
        log.add(*metrics(10))
        assert log.flush(5)
        assert log.unsent() == []
    assert server.requests[-1] == list(range(10))


def test_what_is_not_confirmed_stays_with_us() -> None:
    with log_to(Server(unavailable)) as log:
        log.add(*metrics(10))
        assert not log.flush(0.05)
        assert [metric.step for metric in log.unsent()] == list(range(10))


def test_adding_does_not_wait_for_the_server() -> None:
    release = threading.Event()

    def answer_late(_: Sequence[Metric]) -> None:
        release.wait(10)

    with log_to(Server(answer_late)) as log:
        log.add(*metrics(1))
        log.add(*metrics(500))
        assert len(log.unsent()) == 501
        release.set()
        assert log.flush(5)


def test_a_refusal_ends_the_sending_and_is_told() -> None:
    server = Server(refuse)
    with log_to(server) as log:
        log.add(*metrics(10))
        assert not log.flush(5)
        assert log.refusal == "no such run"
        assert len(log.unsent()) == 10
    assert len(server.requests) == 1


def test_the_buffer_is_bounded_and_counts_what_it_had_no_room_for() -> None:
    with log_to(Server(unavailable), capacity=100) as log:
        log.add(*metrics(130))
        assert len(log.unsent()) == 100
        assert log.dropped == 30
