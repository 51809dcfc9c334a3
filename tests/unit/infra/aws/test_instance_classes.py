"""What a database's instance class holds, and how many connections it takes."""

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from infra.limits.instance_classes import FAMILIES, max_connections, memory_gib

CLASSES = [f"db.{family}.{size}" for family, sizes in FAMILIES.items() for size in sizes]
# What people read from running servers, by the memory of the class in GiB. At 1 and 16 GiB they are MySQL's 66 and
# 1320, as both engines divide the same bytes: MySQL by 12582880, PostgreSQL by 9531392.
OBSERVED = {1: 87, 2: 198, 4: 413, 8: 856, 16: 1742}


@pytest.mark.parametrize("instance_class", CLASSES)
def test_a_class_has_the_memory_of_the_machine_that_it_runs_on(instance_class: str) -> None:
    machine = INSTANCE_TYPES[instance_class.removeprefix("db.")]
    assert memory_gib(instance_class) * 1024 == machine["MemoryInfo"]["SizeInMiB"]


@pytest.mark.parametrize(("memory", "connections"), OBSERVED.items())
def test_fewer_connections_are_promised_than_servers_were_seen_to_take_but_not_a_sixth_fewer(
    memory: int, connections: int
) -> None:
    promised = {max_connections(each) for each in CLASSES if memory_gib(each) == memory}
    assert len(promised) == 1
    assert connections * 5 / 6 < promised.pop() < connections


def test_no_class_takes_more_than_five_thousand_connections() -> None:
    assert max_connections("db.r8g.48xlarge") == 5000
    assert max(max_connections(each) for each in CLASSES) == 5000


def test_more_memory_never_means_fewer_connections() -> None:
    by_memory = sorted(CLASSES, key=memory_gib)
    promised = [max_connections(each) for each in by_memory]
    assert promised == sorted(promised)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("db.t4g.mediun", "; did you mean db.t4g.medium"),
        ("t4g.medium", "; did you mean db.t4g.medium"),
        ("db.m7g.24xlarge", "; did you mean db.m7g.4xlarge"),
        ("db.x2g.large", ""),
        ("", "[.]$"),
    ],
)
def test_an_unknown_class_is_refused_with_what_is_close_and_what_is_allowed(given: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"must be db.FAMILY.SIZE of the families t3, t4g, m6g.*, got '{given}'{hint}"):
        memory_gib(given)
