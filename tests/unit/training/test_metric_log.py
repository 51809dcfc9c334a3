"""The metric buffer: it loses no metric while the server is down, never blocks its caller, and is bounded."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from mlflow.entities import Metric

from workloads.services import RefusedError, UnavailableError
from workloads.training.metric_log import BATCH_SIZE, MetricLog

Answer = Callable[[Sequence[Metric]], None]


class Server:
    """Answers as configured, and records the requests."""

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


def test_metrics_arrive_in_order_and_in_batches_of_the_allowed_size() -> None:
    server = Server()
    with log_to(server, every=60) as log:
        log.add(*metrics(2 * BATCH_SIZE + 7))
        assert log.flush(5)
    assert list(chain.from_iterable(server.requests)) == list(range(2 * BATCH_SIZE + 7))
    assert [len(request) for request in server.requests] == [BATCH_SIZE, BATCH_SIZE, 7]


def test_a_few_metrics_are_sent_after_a_while_without_a_flush() -> None:
    arrived = threading.Event()
    with log_to(Server(lambda _: arrived.set())) as log:
        log.add(*metrics(1))
        assert arrived.wait(5)


def test_no_metric_is_lost_while_the_server_is_down() -> None:
    server = Server(lambda _: unavailable(_) if len(server.requests) < 4 else None)
    with log_to(server) as log:
        log.add(*metrics(10))
        assert log.flush(5)
        assert log.unsent() == []
    assert server.requests[-1] == list(range(10))


def test_unconfirmed_metrics_stay_in_the_buffer() -> None:
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


def test_a_refusal_ends_the_sending_and_is_reported() -> None:
    server = Server(refuse)
    with log_to(server) as log:
        log.add(*metrics(10))
        assert not log.flush(5)
        assert log.refusal == "no such run"
        assert len(log.unsent()) == 10
    assert len(server.requests) == 1


def test_the_buffer_is_bounded_and_counts_dropped_metrics() -> None:
    with log_to(Server(unavailable), capacity=100) as log:
        log.add(*metrics(130))
        assert len(log.unsent()) == 100
        assert log.dropped == 30
