"""The memory of RDS instance classes, and the connections that they accept."""

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from infra.limits.instance_classes import FAMILIES, max_connections, memory_gib

CLASSES = [f"db.{family}.{size}" for family, sizes in FAMILIES.items() for size in sizes]
# The connections published for running servers, by the memory of the class in GiB. Those at 1 and 16 GiB are converted
# from MySQL's 66 and 1320: both engines divide the same bytes, MySQL by 12582880 and PostgreSQL by 9531392.
OBSERVED = {1: 87, 2: 198, 4: 413, 8: 856, 16: 1742}


@pytest.mark.parametrize("instance_class", CLASSES)
def test_a_class_has_the_memory_of_the_machine_that_it_runs_on(instance_class: str) -> None:
    machine = INSTANCE_TYPES[instance_class.removeprefix("db.")]
    assert memory_gib(instance_class) * 1024 == machine["MemoryInfo"]["SizeInMiB"]


@pytest.mark.parametrize(("memory", "connections"), OBSERVED.items())
def test_the_connections_are_at_most_a_sixth_below_those_of_running_servers(memory: int, connections: int) -> None:
    computed = {max_connections(each) for each in CLASSES if memory_gib(each) == memory}
    assert len(computed) == 1
    assert connections * 5 / 6 < computed.pop() < connections


def test_no_class_accepts_more_than_five_thousand_connections() -> None:
    assert max_connections("db.r8g.48xlarge") == 5000
    assert max(max_connections(each) for each in CLASSES) == 5000


def test_more_memory_never_means_fewer_connections() -> None:
    by_memory = sorted(CLASSES, key=memory_gib)
    connections = [max_connections(each) for each in by_memory]
    assert connections == sorted(connections)


@pytest.mark.parametrize(
    ("instance_class", "hint"),
    [
        ("db.t4g.mediun", "; did you mean db.t4g.medium"),
        ("t4g.medium", "; did you mean db.t4g.medium"),
        ("db.m7g.24xlarge", "; did you mean db.m7g.4xlarge"),
        ("db.x2g.large", ""),
        ("", "[.]$"),
    ],
)
def test_an_unknown_class_is_refused_with_the_allowed_classes_and_similar_ones(instance_class: str, hint: str) -> None:
    with pytest.raises(
        ValueError, match=f"must be db.FAMILY.SIZE of the families t3, t4g, m6g.*, got '{instance_class}'{hint}"
    ):
        memory_gib(instance_class)
