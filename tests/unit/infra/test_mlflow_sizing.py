"""The arithmetic of an MLflow pod."""

import math

from hypothesis import given
from hypothesis import strategies as st

from infra.capabilities.tracking.sizing import resources
from infra.limits.quantities import mebibytes

# Working set of a pod of 4 workers after it had served a training run.
MEASURED_MIB = 1027
WORKERS, PODS, TARGETS = st.integers(1, 16), st.integers(1, 50), st.integers(50, 95)


def wanted(pods: int, usage_mib: float, request_mib: int, target: int) -> int:
    """What the autoscaler wants: its formula, without the tolerance that would forgive a little."""
    return math.ceil(pods * (usage_mib / request_mib) / (target / 100))


def test_four_idle_workers_stay_at_two_pods_at_rest_and_while_a_third_is_rolled_in() -> None:
    request = mebibytes(resources(4, 2, 80).memory)
    assert wanted(2, MEASURED_MIB, request, 80) <= 2
    assert wanted(3, MEASURED_MIB, request, 80) <= 2


@given(WORKERS, PODS, TARGETS)
def test_no_idle_deployment_scales_out_during_a_rollout(workers: int, replicas: int, target: int) -> None:
    request = mebibytes(resources(workers, replicas, target).memory)
    assert wanted(replicas + 1, 230 + 200 * workers, request, target) <= replicas


@given(WORKERS, PODS, TARGETS)
def test_the_limit_is_never_below_the_request_nor_below_the_design(workers: int, replicas: int, target: int) -> None:
    asked = resources(workers, replicas, target)
    assert mebibytes(asked.memory) >= 1024
    assert mebibytes(asked.memory_limit) >= max(2048, mebibytes(asked.memory))


def test_fewer_workers_ask_for_less() -> None:
    assert mebibytes(resources(2, 2, 80).memory) < mebibytes(resources(4, 2, 80).memory)
