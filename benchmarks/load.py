"""A load of concurrent clients that log to and search one MLflow server, and the outcome of their requests."""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import requests

METRICS: Final = 50
# Seconds that a client waits for an answer.
_PATIENCE: Final = 120
# The statuses that MLflow's own client retries (mlflow.utils.request_utils), and the number of its attempts.
_REPEATED: Final = (408, 429, 500, 502, 503, 504)
_TRIES: Final = 8


@dataclass(kw_only=True, slots=True)
class Outcome:
    """The clients' view of one server: seconds of each batch and search, refusals by reason, and lost points."""

    seconds: float
    batches: list[float] = field(default_factory=list)
    searches: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    @property
    def throughput(self) -> float:
        """The number of logged batches per second."""
        return len(self.batches) / self.seconds

    def percentile(self, share: float) -> float:
        """Return the seconds within which `share` of the batches was logged."""
        return sorted(self.batches)[min(len(self.batches) - 1, int(len(self.batches) * share))] if self.batches else 0

    @property
    def median(self) -> float:
        """The median seconds of a batch."""
        return statistics.median(self.batches) if self.batches else 0

    @property
    def median_search(self) -> float:
        """The median seconds of a search."""
        return statistics.median(self.searches) if self.searches else 0


class Load:
    """Writers and searchers that send requests to the server `url` for `seconds`.

    With `repeat`, they retry like MLflow's client, and respect Retry-After.
    """

    def __init__(self, url: str, *, writers: int, searchers: int, seconds: float, repeat: bool = False) -> None:
        self._api = f"{url.rstrip('/')}/api/2.0/mlflow"
        self._numbers = {"writers": writers, "searchers": searchers}
        self._tries = _TRIES if repeat else 1
        self._outcome = Outcome(seconds=seconds)
        self._lock = threading.Lock()
        self._confirmed: dict[str, int] = {}
        self._experiment = ""
        self._end = 0.0

    def run(self, meanwhile: Callable[[], None] | None = None) -> Outcome:
        """Run all clients to their end, and `meanwhile` after a third of the time."""
        session = requests.Session()
        name = f"load-{time.time_ns()}"
        self._experiment = self._require(session, "/experiments/create", {"name": name})["experiment_id"]
        began = time.monotonic()
        self._end = began + self._outcome.seconds
        threads = [threading.Thread(target=self._write) for _ in range(self._numbers["writers"])]
        threads += [threading.Thread(target=self._search) for _ in range(self._numbers["searchers"])]
        for thread in threads:
            thread.start()
        if meanwhile is not None:
            time.sleep(self._outcome.seconds / 3)
            meanwhile()
        for thread in threads:
            thread.join()
        # The last requests are sent before the end and answered after it.
        self._outcome.seconds = time.monotonic() - began
        self._outcome.lost = sum(max(0, steps - self._points(session, run)) for run, steps in self._confirmed.items())
        return self._outcome

    def _write(self) -> None:
        session = requests.Session()
        body = {"experiment_id": self._experiment, "start_time": int(time.time() * 1000)}
        created = self._post(session, "/runs/create", body)
        if created is None:
            return
        run = created["run"]["info"]["run_id"]
        step = confirmed = 0
        while time.monotonic() < self._end:
            began = time.monotonic()
            now = int(time.time() * 1000)
            metrics = [{"key": f"m{k}", "value": k, "timestamp": now, "step": step} for k in range(METRICS)]
            step += 1
            if self._post(session, "/runs/log-batch", {"run_id": run, "metrics": metrics}) is not None:
                confirmed += 1
                with self._lock:
                    self._outcome.batches.append(time.monotonic() - began)
        self._confirmed[run] = confirmed

    def _search(self) -> None:
        session = requests.Session()
        body = {"experiment_ids": [self._experiment], "max_results": 100, "order_by": ["metrics.m7 DESC"]}
        while time.monotonic() < self._end:
            began = time.monotonic()
            if self._post(session, "/runs/search", body) is not None:
                with self._lock:
                    self._outcome.searches.append(time.monotonic() - began)

    def _post(self, session: requests.Session, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer, or None if the last attempt failed."""
        reason = ""
        for attempt in range(self._tries):
            try:
                answer = session.post(self._api + path, json=body, timeout=_PATIENCE)
            except requests.RequestException as error:
                reason = type(error).__name__
                pause = 2.0**attempt
            else:
                if answer.ok:
                    return answer.json()
                reason = f"{answer.status_code}{' with Retry-After' if 'retry-after' in answer.headers else ''}"
                if answer.status_code not in _REPEATED:
                    break
                pause = float(answer.headers.get("retry-after", 2**attempt))
            if attempt + 1 < self._tries:
                time.sleep(pause)
        with self._lock:
            self._outcome.refused[reason] += 1
        return None

    def _require(self, session: requests.Session, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = session.post(self._api + path, json=body, timeout=_PATIENCE)
        answer.raise_for_status()
        return answer.json()

    def _points(self, session: requests.Session, run: str) -> int:
        number, token = 0, None
        while True:
            query = {"run_id": run, "metric_key": "m7", "max_results": 25000} | ({"page_token": token} if token else {})
            answer = session.get(f"{self._api}/metrics/get-history", params=query, timeout=_PATIENCE)
            answer.raise_for_status()
            page = answer.json()
            number += len(page.get("metrics", []))
            token = page.get("next_page_token")
            if not token:
                return number
