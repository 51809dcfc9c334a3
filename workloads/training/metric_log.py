"""A buffer of metrics between a training and MLflow: steps don't wait for requests, and no metric is lost.

A thread sends the buffered metrics in batches. A metric leaves the buffer when MLflow has acknowledged its batch. A
batch without an answer is sent again: MLflow stores equal metrics once.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from mlflow.entities import Metric

from workloads.services import RefusedError, UnavailableError

# The most metrics that MLflow accepts in one request:
# https://mlflow.org/docs/latest/api_reference/rest-api.html#request-limits
BATCH_SIZE: Final = 1000
# In metrics, some 20 MB: without an answer, a training that logs two metrics a step fills it in 50,000 steps.
CAPACITY: Final = 100_000
SEND_EVERY_SECONDS: Final = 2.0
LONGEST_WAIT_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)


class MetricLog:
    """Sends metrics in the background by `send`, which raises `UnavailableError` or `RefusedError`."""

    def __init__(
        self, send: Callable[[Sequence[Metric]], None], *, capacity: int = CAPACITY, every: float = SEND_EVERY_SECONDS
    ) -> None:
        self._send = send
        self._capacity = capacity
        self._every = every
        self._waiting: deque[Metric] = deque()
        self._changed = threading.Condition()
        self._flushing = False
        self._closed = False
        self.refusal: str | None = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._work, name="metric-log", daemon=True)
        self._thread.start()

    def add(self, *metrics: Metric) -> None:
        """Add metrics; drop and count those over the capacity."""
        with self._changed:
            room = max(self._capacity - len(self._waiting), 0)
            self._waiting.extend(metrics[:room])
            self.dropped += len(metrics[room:])
            self._changed.notify_all()

    def unsent(self) -> list[Metric]:
        """Return the metrics that MLflow has not acknowledged."""
        with self._changed:
            return list(self._waiting)

    def flush(self, seconds: float) -> bool:
        """Wait for at most `seconds` until all metrics are acknowledged, and return whether they are."""
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting or self.refusal is not None, timeout=seconds)
            self._flushing = False
            return not self._waiting

    def close(self) -> None:
        """End the thread, even with unsent metrics."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=1)

    def _work(self) -> None:
        failures = 0
        while batch := self._next_batch(failures):
            try:
                self._send(batch)
            except UnavailableError as error:
                failures += 1
                _log.info("MLflow has not taken %d metrics yet: %s", len(batch), error)
            except RefusedError as error:
                with self._changed:
                    self.refusal = str(error)
                    self._changed.notify_all()
                return
            else:
                failures = 0
                self._acknowledge(len(batch))

    def _next_batch(self, failures: int) -> list[Metric]:
        """Wait for metrics to send and return them; an empty list once closed."""
        pause = min(self._every * 2**failures, LONGEST_WAIT_SECONDS) if failures else self._every
        due = time.monotonic() + pause
        with self._changed:
            while not self._closed:
                left = due - time.monotonic()
                hurried = failures == 0 and (self._flushing or len(self._waiting) >= BATCH_SIZE)
                if self._waiting and (hurried or left <= 0):
                    return [self._waiting[number] for number in range(min(BATCH_SIZE, len(self._waiting)))]
                self._changed.wait(timeout=left if left > 0 else None)
            return []

    def _acknowledge(self, count: int) -> None:
        with self._changed:
            for _ in range(count):
                self._waiting.popleft()
            self._changed.notify_all()
