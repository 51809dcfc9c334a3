"""What the reconciler answers over HTTP."""

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from workloads.serving.reconciler.app import Pulse, create_app
from workloads.serving.reconciler.metrics import Metrics


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulse(clock: Clock) -> Pulse:
    return Pulse(clock=clock, tried=0, done=0)


@pytest.fixture
def reconciler() -> SimpleNamespace:
    hints: list[str] = []
    statuses = {"b": {"model": "b"}, "a": {"model": "a"}}
    return SimpleNamespace(statuses=statuses, metrics=Metrics(), hints=hints, hint=lambda: hints.append("hint"))


def ask(reconciler: Any, pulse: Pulse, path: str, method: str = "GET") -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(reconciler, pulse))
        async with httpx.AsyncClient(transport=transport, base_url="http://reconciler") as client:
            return await client.request(method, path)

    return asyncio.run(run())


def test_the_served_models_are_a_list_by_name(reconciler: Any, pulse: Pulse) -> None:
    assert ask(reconciler, pulse, "/served").json() == [{"model": "a"}, {"model": "b"}]


def test_nothing_is_told_before_anything_was_read(reconciler: Any, pulse: Pulse) -> None:
    pulse.done = None
    assert ask(reconciler, pulse, "/served").status_code == 503
    assert ask(reconciler, pulse, "/readyz").status_code == 503
    assert ask(reconciler, pulse, "/livez").status_code == 200


def test_a_process_whose_turns_fail_is_not_ready_and_one_that_takes_none_is_not_alive(
    reconciler: Any, pulse: Pulse, clock: Clock
) -> None:
    clock.now = 60
    assert ask(reconciler, pulse, "/readyz").status_code == 503
    assert ask(reconciler, pulse, "/livez").status_code == 200
    clock.now = 600
    assert ask(reconciler, pulse, "/livez").status_code == 503


def test_a_hint_is_taken(reconciler: Any, pulse: Pulse) -> None:
    assert ask(reconciler, pulse, "/hint", "POST").status_code == 202
    assert reconciler.hints == ["hint"]


def test_the_metrics_are_those_of_prometheus(reconciler: Any, pulse: Pulse) -> None:
    assert "# TYPE aegis_serving_drift gauge" in ask(reconciler, pulse, "/metrics").text
