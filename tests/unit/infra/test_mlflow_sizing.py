"""The memory requests and limits of the tracking server's pods."""

import math

from hypothesis import given
from hypothesis import strategies as st

from infra.capabilities.tracking.sizing import resources, shared_memory_size
from infra.limits.quantities import mebibytes

# The files of measurements of a worker that has served every route of MLflow with every method.
MEASUREMENTS_MIB = 4.1
# The measured working set of a pod with 4 workers after a training run.
MEASURED_MIB = 1027
WORKERS, PODS, TARGETS = st.integers(1, 16), st.integers(1, 50), st.integers(50, 95)


def desired_replicas(pods: int, usage_mib: float, request_mib: int, target: int) -> int:
    """Return the autoscaler's desired number of replicas: its formula, without its tolerance."""
    return math.ceil(pods * (usage_mib / request_mib) / (target / 100))


def test_idle_pods_of_four_workers_stay_at_two_replicas_at_rest_and_during_a_rollout() -> None:
    request = mebibytes(resources(4, 2, 80).memory)
    assert desired_replicas(2, MEASURED_MIB, request, 80) <= 2
    assert desired_replicas(3, MEASURED_MIB, request, 80) <= 2


@given(WORKERS, PODS, TARGETS)
def test_no_idle_deployment_scales_out_during_a_rollout(workers: int, replicas: int, target: int) -> None:
    request = mebibytes(resources(workers, replicas, target).memory)
    assert desired_replicas(replicas + 1, 230 + 200 * workers, request, target) <= replicas


@given(WORKERS, PODS, TARGETS)
def test_the_limit_is_never_below_the_request_or_the_design(workers: int, replicas: int, target: int) -> None:
    pod = resources(workers, replicas, target)
    assert mebibytes(pod.memory) >= 1024
    assert mebibytes(pod.memory_limit) >= max(2048, mebibytes(pod.memory))


@given(WORKERS)
def test_the_measurements_of_every_worker_and_of_those_that_ended_fit_into_their_volume(workers: int) -> None:
    assert mebibytes(shared_memory_size(workers)) > MEASUREMENTS_MIB * (workers + 1)


def test_the_memory_has_room_for_the_measurements() -> None:
    idle = 0.9 * 2 / 3 * mebibytes(resources(16, 2, 90).memory)
    assert idle >= 230 + 200 * 16 + mebibytes(shared_memory_size(16))


def test_fewer_workers_request_less_memory() -> None:
    assert mebibytes(resources(2, 2, 80).memory) < mebibytes(resources(4, 2, 80).memory)
