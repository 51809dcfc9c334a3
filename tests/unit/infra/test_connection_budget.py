"""The budget of database connections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.limits.connections import (
    LEAST_POOL,
    ConnectionPool,
    demand,
    fitting_pool,
    in_cluster_connections,
    most_replicas,
    shared_buffers,
)

WORKERS, PODS = st.integers(1, 16), st.integers(1, 50)


@given(WORKERS, PODS, st.integers(50, 5000))
def test_the_pools_of_the_largest_deployment_never_exhaust_the_database(workers: int, pods: int, limit: int) -> None:
    if pods > most_replicas(workers, limit):
        with pytest.raises(ValueError, match=f"max_replicas must be at most {most_replicas(workers, limit)} for"):
            fitting_pool(workers, pods, limit)
        return
    pool = fitting_pool(workers, pods, limit)
    assert pool.size >= 1
    assert pool.overflow >= 1
    assert demand(workers, pods, pool) <= limit


@given(WORKERS, st.integers(50, 5000))
def test_one_pod_above_the_maximum_needs_too_many_connections(workers: int, limit: int) -> None:
    most = most_replicas(workers, limit)
    assert demand(workers, most + 1, LEAST_POOL) > limit


def test_the_design_fits_the_database_in_the_cluster() -> None:
    assert most_replicas(4, in_cluster_connections("1Gi")) >= 10


def test_a_large_database_gives_each_process_no_more_than_sqlalchemy_s_default() -> None:
    assert fitting_pool(1, 1, 5000) == ConnectionPool(size=14, overflow=1)


def test_the_demand_includes_the_surge_pod_of_a_rollout() -> None:
    assert demand(4, 10, ConnectionPool(size=1, overflow=1)) == 11 * 4 * 2 + 10


@given(st.integers(256, 65536))
def test_connections_and_buffers_fit_into_the_memory_of_the_database(mebibytes: int) -> None:
    memory = f"{mebibytes}Mi"
    assert shared_buffers(memory) + 4 * in_cluster_connections(memory) < mebibytes
