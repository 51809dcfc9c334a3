"""The watcher in a model server: it counts requests at once, and their inputs in a thread of its own."""

import json
import logging
import queue
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workloads.serving.watching import columns
from workloads.serving.watching.baseline import BASELINE_FILE, Baseline
from workloads.serving.watching.drift import Finding
from workloads.serving.watching.recent import Recent
from workloads.serving.watching.settings import Settings
from workloads.serving.watching.summary import Summary

# Requests whose inputs wait for the thread, and their bytes: what comes on top is dropped and counted.
_WAITING: Final = 64
_WAITING_BYTES: Final = 64 << 20
# The inputs that are kept with the privacy setting `samples`, and the characters of each.
_SAMPLES: Final = 50
_LONGEST_SAMPLE: Final = 2000
# Seconds for which the findings are reused, because several clients ask for them.
_FRESH: Final = 5.0

_log = logging.getLogger(__name__)


class Watcher:
    """Counts what a served model sees, in bounded memory and time. All methods can be called by several threads.

    `clock` returns monotonic seconds; `seed` makes the choice of requests repeatable.
    """

    def __init__(
        self,
        baseline: Baseline | None,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        seed: int | None = None,
    ) -> None:
        self._baseline = baseline
        self._settings = settings
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - chooses samples
        self._lock = threading.Lock()
        self._sizes = [len(feature.counts) for feature in baseline.features] if baseline else []
        self._recent = Recent(sum(self._sizes), settings.seconds, clock)
        self._samples: deque[str] = deque(maxlen=_SAMPLES)
        self._dropped = 0
        self._queue: queue.Queue[tuple[Any, int]] = queue.Queue(_WAITING)
        self._waiting_bytes = 0
        self._thread: threading.Thread | None = None
        self._instance = uuid.uuid4().hex
        self._judged: tuple[float, Summary, list[Finding]] | None = None

    @classmethod
    def load(cls, model_folder: Path, settings: Settings) -> Self:
        """Return the watcher of the model in the folder; without a usable baseline, it counts requests only."""
        path = model_folder / BASELINE_FILE
        try:
            return cls(Baseline.read(path), settings)
        except FileNotFoundError:
            _log.info("%s has no %s: drift of the inputs is not measured", model_folder, BASELINE_FILE)
        except (OSError, ValueError) as error:
            _log.warning("%s can't be used, so drift of the inputs is not measured: %s", path, error)
        return cls(None, settings)

    def observe(self, inputs: object, seconds: float, ok: bool) -> None:
        """Count a request that took `seconds`, and its inputs if it succeeded. Never blocks and never raises."""
        if self._settings.privacy == "off":
            return
        try:
            with self._lock:
                self._recent.now().answered(seconds, ok=ok)
                wanted = ok and self._uses_inputs and self._random.random() < self._settings.rate
            if wanted:
                self._enqueue(inputs)
        except Exception:  # noqa: BLE001 - a prediction must not fail because it is watched
            self._drop()

    @property
    def _uses_inputs(self) -> bool:
        return self._baseline is not None or self._settings.privacy == "samples"

    def _enqueue(self, inputs: object) -> None:
        if self._queue.full():
            self._drop()
            return
        picked = columns.pick(inputs, self._settings.rows)
        size = columns.size_of(picked)
        with self._lock:
            fits = not self._waiting_bytes or self._waiting_bytes + size <= _WAITING_BYTES
            if fits:
                self._queue.put_nowait((picked, size))
                self._waiting_bytes += size
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="watcher", daemon=True)
                self._thread.start()
        if not fits:
            self._drop()

    def _drop(self) -> None:
        with self._lock:
            self._dropped += 1

    def _work(self) -> None:
        """Count what waits, and rest so long that the thread has only its share of a processor."""
        while True:
            picked, size = self._queue.get()
            started = time.thread_time()
            try:
                self._count(picked)
            except Exception as error:  # noqa: BLE001 - inputs can be anything
                _log.debug("inputs can't be counted: %s", error)
                self._drop()
            spent = time.thread_time() - started
            with self._lock:
                self._waiting_bytes -= size
            self._queue.task_done()
            time.sleep(spent * (1 / self._settings.share - 1))

    def _count(self, picked: Any) -> None:  # noqa: ANN401 - whatever a model takes
        sample = _shown(picked) if self._settings.privacy == "samples" else None
        rows, counts = self._baseline.count(picked) if self._baseline else (0, [])
        with self._lock:
            if counts:
                self._recent.now().saw(rows, np.concatenate(counts))
            if sample is not None:
                self._samples.append(sample)

    def settle(self) -> None:
        """Wait until the inputs of all requests so far are counted."""
        self._queue.join()
        self._judged = None

    def summary(self) -> dict[str, Any]:
        """Return the counts, and what they say, as JSON-ready values for `GET /watch`."""
        summary, findings = self._judge()
        return summary.model_dump(mode="json") | {
            "state": summary.state(findings),
            "drift": [asdict(finding) for finding in findings],
        }

    def register(self, registry: CollectorRegistry, labels: Mapping[str, str]) -> None:
        """Add the gauges to `registry`; `labels` are those of all of them, such as the model and its version."""
        registry.register(_Gauges(self._judge, labels))

    def _judge(self) -> tuple[Summary, list[Finding]]:
        judged = self._judged
        if judged is None or self._clock() - judged[0] >= _FRESH:
            summary = self._summary()
            judged = self._judged = (self._clock(), summary, summary.findings(self._settings.limits))
        return judged[1], judged[2]

    def _summary(self) -> Summary:
        with self._lock:
            total, dropped, samples = self._recent.total(), self._dropped, tuple(self._samples)
        parts = np.split(total.cells, np.cumsum(self._sizes)[:-1]) if self._sizes else []
        return Summary(
            instances=(self._instance,),
            privacy=self._settings.privacy,
            seconds=float(self._settings.seconds),
            requests=total.requests,
            failures=total.failures,
            rows=total.rows,
            dropped=dropped,
            latencies=tuple(total.latencies.tolist()),
            baseline=self._baseline,
            counts=tuple(tuple(part.tolist()) for part in parts),
            samples=samples,
        )


class _Gauges(Collector):
    """The metrics of a watcher, computed when they are asked for."""

    def __init__(self, judge: Callable[[], tuple[Summary, list[Finding]]], labels: Mapping[str, str]) -> None:
        self._judge = judge
        self._labels = labels

    def describe(self) -> Iterator[Metric]:
        """Yield nothing, so that registering doesn't ask for the values."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        summary, findings = self._judge()
        names, values = [*self._labels], [*self._labels.values()]
        psi = GaugeMetricFamily(
            "aegis_model_drift_psi",
            "Population stability index of a feature against the training.",
            labels=[*names, "feature"],
        )
        for finding in findings:
            if finding.psi is not None:
                psi.add_metric([*values, finding.feature], finding.psi)
        yield psi
        for name, text, value in (
            ("drifted", "Number of features that have drifted.", sum(finding.drifted for finding in findings)),
            ("watched_samples", "Samples that were counted in the time that is looked back.", summary.rows),
        ):
            gauge = GaugeMetricFamily(f"aegis_model_{name}", text, labels=names)
            gauge.add_metric(values, value)
            yield gauge
        dropped = CounterMetricFamily(
            "aegis_model_watch_dropped", "Requests whose inputs weren't counted, for lack of time.", labels=names
        )
        dropped.add_metric(values, summary.dropped)
        yield dropped


def _shown(picked: Any) -> str:  # noqa: ANN401 - whatever a model takes
    """Return the first sample as a short text."""
    first = columns.pick(picked, 1)
    match first:
        case pd.DataFrame():
            text = first.to_json(orient="records") or ""
        case np.ndarray():
            text = np.array2string(first, threshold=_SAMPLES, precision=6)
        case _:
            text = json.dumps(first, default=lambda value: np.array2string(np.asarray(value), threshold=_SAMPLES))
    return text[:_LONGEST_SAMPLE]
