"""The arithmetic of an MLflow pod."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cluster.mlflow_sizing import IN_CLUSTER_CONNECTIONS, connection_pool, most_processes, resources
from infra.quantities import mebibytes

# Anonymous memory of an idle server of 4 workers, measured after its first requests.
MEASURED_MIB = 961


def test_four_idle_workers_stay_below_the_memory_target() -> None:
    assert mebibytes(resources(4).memory) * 0.8 > MEASURED_MIB * 1.1


@given(st.integers(1, 16))
def test_the_limit_is_above_the_request_and_never_below_the_design(workers: int) -> None:
    asked = resources(workers)
    assert mebibytes(asked.memory) >= 1024
    assert mebibytes(asked.memory_limit) >= 2048
    assert mebibytes(asked.memory_limit) > mebibytes(asked.memory)


def test_fewer_workers_ask_for_less() -> None:
    assert mebibytes(resources(2).memory) < mebibytes(resources(4).memory)


@given(st.integers(1, 16), st.integers(1, 50))
def test_the_pools_of_the_largest_deployment_never_exhaust_the_database(workers: int, replicas: int) -> None:
    if workers * replicas > most_processes(IN_CLUSTER_CONNECTIONS):
        with pytest.raises(ValueError, match="allowed are 47"):
            connection_pool(workers, replicas, IN_CLUSTER_CONNECTIONS)
        return
    pool = connection_pool(workers, replicas, IN_CLUSTER_CONNECTIONS)
    assert pool.size >= 1
    assert pool.overflow >= 1
    assert workers * replicas * 2 * (pool.size + pool.overflow) <= IN_CLUSTER_CONNECTIONS - 10
