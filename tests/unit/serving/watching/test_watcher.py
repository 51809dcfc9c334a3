"""The watcher in a model server: it never disturbs a prediction, and its memory is bounded."""

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.watching import watcher as module
from workloads.serving.watching.baseline import Baseline
from workloads.serving.watching.settings import Settings
from workloads.serving.watching.watcher import Watcher

TRAINED = pd.DataFrame({"age": np.random.default_rng(0).normal(40, 10, 1000), "colour": ["red", "blue"] * 500})
BASELINE = Baseline.of(TRAINED)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def watching(clock: Clock | None = None, baseline: Baseline | None = BASELINE, **settings: Any) -> Watcher:
    # A whole processor: the tests don't wait for the thread to rest.
    values: dict[str, Any] = {"share": 1.0} | settings
    return Watcher(baseline, Settings(**values), clock=clock or Clock(), seed=0)


def served(watcher: Watcher, inputs: object, times: int = 1) -> dict[str, Any]:
    for _ in range(times):
        watcher.observe(inputs, 0.02, ok=True)
        watcher.settle()
    return watcher.summary()


def test_inputs_like_the_training_s_are_steady_and_others_have_drifted() -> None:
    assert served(watching(), TRAINED[:200], 4)["state"] == "steady"
    summary = served(watching(), TRAINED.assign(age=TRAINED["age"] + 20), 4)
    assert summary["state"] == "drifted"
    assert [one["feature"] for one in summary["drift"] if one["drifted"]] == ["age"]


def test_it_waits_until_there_are_enough_samples() -> None:
    watcher = watching()
    assert served(watcher, TRAINED[:50])["state"] == "waiting"
    assert served(watcher, TRAINED[:50])["state"] == "steady"


def test_requests_failures_and_latencies_are_counted_and_failed_inputs_are_not() -> None:
    watcher = watching()
    watcher.observe(TRAINED[:10], 0.004, ok=True)
    watcher.observe(TRAINED[:10], 7.0, ok=False)
    watcher.settle()
    summary = watcher.summary()
    assert (summary["requests"], summary["failures"], summary["rows"]) == (2, 1, 10)
    assert [index for index, count in enumerate(summary["latencies"]) if count] == [2, 12]


def test_what_is_older_than_the_time_that_is_looked_back_is_forgotten() -> None:
    clock = Clock()
    watcher = watching(clock, seconds=600)
    assert served(watcher, TRAINED[:50])["rows"] == 50
    clock.now += 300
    assert served(watcher, TRAINED[:50])["rows"] == 100
    clock.now += 350
    assert served(watcher, TRAINED[:5])["rows"] == 55
    clock.now += 1e6
    assert watcher.summary()["requests"] == 0


def test_of_a_large_request_only_some_samples_are_counted() -> None:
    assert served(watching(rows=20), TRAINED)["rows"] == 20


def test_the_rate_is_the_share_of_requests_whose_inputs_are_counted() -> None:
    summary = served(watching(rate=0.25), TRAINED[:1], 400)
    assert summary["requests"] == 400
    assert 70 < summary["rows"] < 130
    assert served(watching(rate=0.0), TRAINED[:1])["rows"] == 0


@pytest.mark.parametrize(
    "inputs",
    [
        None,
        object(),
        [[1], [2, 3]],
        np.zeros((2, 0)),
        np.array(3),
        {"a": object()},
        pd.DataFrame(),
        b"\xff",
        {1: 2, "b": [3]},
    ],
)
def test_no_input_makes_it_fail(inputs: Any) -> None:
    summary = served(watching(privacy="samples"), inputs)
    assert summary["requests"] == 1


def test_an_error_inside_is_counted_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    watcher = watching()
    monkeypatch.setattr(module.columns, "pick", fail)
    watcher.observe(TRAINED, 0.1, ok=True)
    assert watcher.summary()["dropped"] == 1


def test_a_thread_that_can_t_keep_up_costs_samples_and_neither_memory_nor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    count = Baseline.count
    monkeypatch.setattr(Baseline, "count", lambda *args: (go_on.wait(30), count(*args))[1])
    watcher = watching()
    started = time.monotonic()
    for _ in range(1000):
        watcher.observe(TRAINED[:1], 0.1, ok=True)
    assert time.monotonic() - started < 20
    go_on.set()
    watcher.settle()
    summary = watcher.summary()
    assert summary["requests"] == 1000
    # Those that wait, and the one that is being counted.
    assert summary["rows"] in (64, 65)
    assert summary["rows"] + summary["dropped"] == 1000


def test_large_inputs_wait_only_up_to_a_limit_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(Baseline, "count", lambda self, _: (go_on.wait(30), (0, []))[1])
    watcher = watching()
    for _ in range(10):
        watcher.observe(np.zeros((1, 3, 1024, 1024)), 0.1, ok=True)
    go_on.set()
    watcher.settle()
    # Two of 24 MiB fit into 64 MiB.
    assert watcher.summary()["dropped"] == 8


def test_many_threads_lose_nothing() -> None:
    watcher = watching(rate=0.0)
    threads = [
        threading.Thread(target=lambda: [watcher.observe(TRAINED[:1], 0.1, ok=True) for _ in range(500)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watcher.summary()["requests"] == 4000


def test_by_default_no_value_is_kept() -> None:
    summary = served(watching(), pd.DataFrame({"age": [123.456], "colour": ["secret"]}))
    assert "123.4" not in json.dumps(summary)
    assert "secret" not in json.dumps(summary)


def test_samples_are_kept_only_on_request_and_only_the_last_fifty() -> None:
    watcher = watching(privacy="samples")
    for number in range(60):
        served(watcher, pd.DataFrame({"age": [number], "colour": ["x" * 10_000]}))
    samples = watcher.summary()["samples"]
    assert len(samples) == 50
    assert samples[-1].startswith('[{"age":59,"colour":"xxx')
    assert max(map(len, samples)) == 2000


def test_off_means_that_nothing_is_counted() -> None:
    summary = served(watching(privacy="off"), TRAINED)
    assert (summary["state"], summary["requests"], summary["rows"]) == ("off", 0, 0)


def test_a_model_without_a_baseline_has_figures_of_its_requests(tmp_path: Path) -> None:
    watcher = Watcher.load(tmp_path, Settings())
    summary = served(watcher, TRAINED)
    assert (summary["state"], summary["requests"], summary["drift"]) == ("no baseline", 1, [])


def test_a_broken_baseline_doesn_t_stop_the_server_and_is_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "baseline.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert served(Watcher.load(tmp_path, Settings()), TRAINED)["state"] == "no baseline"
    assert "baseline.json can't be used" in caplog.text


def test_its_gauges_are_scraped_with_the_model_s_labels() -> None:
    registry, watcher = CollectorRegistry(), watching()
    watcher.register(registry, {"model": "digits", "version": "3"})
    served(watcher, TRAINED.assign(age=0.0), 2)
    text = generate_latest(registry).decode()
    assert 'aegis_model_drifted{model="digits",version="3"} 1.0' in text
    assert 'aegis_model_watched_samples{model="digits",version="3"} 128.0' in text
    assert 'aegis_model_watch_dropped_total{model="digits",version="3"} 0.0' in text
    (line,) = [line for line in text.splitlines() if 'feature="age"' in line]
    assert float(line.split()[-1]) > 1


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_WATCH_PRIVACY", "samples")
    monkeypatch.setenv("AEGIS_WATCH_RATE", "0.5")
    monkeypatch.setenv("AEGIS_WATCH_PSI", "")
    assert Settings.from_environment() == Settings(privacy="samples", rate=0.5)


@pytest.mark.parametrize(("name", "value"), [("PRIVACY", "none"), ("RATE", "2"), ("ROWS", "x"), ("SHARE", "nan")])
def test_a_bad_setting_is_refused_with_what_is_allowed(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"AEGIS_WATCH_{name}", value)
    with pytest.raises(WorkloadError, match=f"AEGIS_WATCH_{name} must be .*, got '{value}'") as refused:
        Settings.from_environment()
    assert refused.value.code == Exit.USAGE
