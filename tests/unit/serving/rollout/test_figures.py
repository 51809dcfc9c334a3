from math import inf

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from workloads.serving.rollout.figures import Figures, parse, problem, total
from workloads.serving.wanted import Canary

LIMITS = Canary(max_error_rate=0.02, max_latency_ratio=2)


def test_the_figures_of_a_server_are_those_of_its_predictions() -> None:
    registry = CollectorRegistry()
    requests = Counter("aegis_model_server_requests", "", ("route", "status"), registry=registry)
    seconds = Histogram("aegis_model_server_request_seconds", "", ("route",), registry=registry, buckets=(0.1, 1))
    for route, status, taken in (
        ("/invocations", "200", 0.05),
        ("/v2/models/{name}/infer", "200", 0.5),
        ("/invocations", "400", 0.05),
        ("/v2/health/ready", "503", 0.05),
    ):
        requests.labels(route, status).inc()
        seconds.labels(route).observe(taken)
    assert parse(generate_latest(registry).decode()) == Figures(requests=3, errors=1, buckets={0.1: 2, 1: 3, inf: 3})


def test_text_that_is_no_metrics_is_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse("<html>")


def test_the_servers_of_a_version_add_up() -> None:
    one = Figures(requests=2, errors=1, buckets={0.1: 1, inf: 2})
    assert total([one, one]) == Figures(requests=4, errors=2, buckets={0.1: 2, inf: 4})


def test_a_server_that_restarted_counts_from_its_start() -> None:
    assert Figures(requests=5).since(Figures(requests=100)) == Figures(requests=5)


@pytest.mark.parametrize(
    ("buckets", "seconds"),
    [({}, None), ({1.0: 100, inf: 100}, 0.95), ({1.0: 90, 2.0: 100, inf: 100}, 1.5), ({1.0: 50, inf: 100}, 1.0)],
)
def test_the_tail_of_the_latency_is_estimated_as_prometheus_does(
    buckets: dict[float, float], seconds: float | None
) -> None:
    assert Figures(buckets=buckets).latency() == seconds


@pytest.mark.parametrize(
    ("canary", "stable", "over", "found"),
    [
        (Figures(requests=100, errors=2), Figures(requests=100), False, None),
        (Figures(requests=100, errors=3), Figures(requests=100), False, "3 of 100 requests failed"),
        (Figures(requests=100, errors=52), Figures(requests=100, errors=51), False, None),
        (Figures(requests=19, errors=19), Figures(requests=100), False, None),
        (Figures(requests=1, errors=1), Figures(requests=100), True, "1 of 1 requests failed"),
        (Figures(), Figures(requests=100), True, None),
        (Figures(requests=50, buckets={1: 50}), Figures(requests=50, buckets={0.1: 50}), False, "10.0 times"),
        (Figures(requests=50, buckets={1: 50}), Figures(requests=5, buckets={0.1: 5}), True, None),
    ],
)
def test_a_canary_is_taken_back_if_it_is_worse_than_allowed(
    canary: Figures, stable: Figures, over: bool, found: str | None
) -> None:
    reason = problem(canary, stable, LIMITS, over=over)
    assert (reason is None) if found is None else found in (reason or "")
