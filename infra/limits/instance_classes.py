"""The instance classes of RDS for PostgreSQL that a stack may use: their memory, and the connections that they accept.

An instance class is `db.FAMILY.SIZE`, which determines its memory:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html
"""

import difflib
from typing import Final

GIB: Final = 2**30

_BURSTABLE: Final = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_XLARGES: Final = (1, 2, 4, 8, 12, 16)
# The sizes of the general-purpose (m) and memory-optimised (r) families of each processor, in multiples of `xlarge`.
_PROCESSORS: Final = {
    "6g": _XLARGES,
    "7g": _XLARGES,
    "6i": (*_XLARGES, 24, 32),
    "7i": (*_XLARGES, 24, 48),
    "8g": (*_XLARGES, 24, 48),
}
_XLARGE_GIB: Final = {"m": 16, "r": 32}


def _sized(xlarge_gib: int, multiples: tuple[int, ...]) -> dict[str, int]:
    larger = {f"{n if n > 1 else ''}xlarge": n * xlarge_gib for n in multiples}
    return {"large": xlarge_gib // 2, **larger}


# Memory in GiB, by family and size.
FAMILIES: Final = {
    "t3": _BURSTABLE,
    "t4g": _BURSTABLE,
    **{
        f"{kind}{processor}": _sized(gib, multiples)
        for kind, gib in _XLARGE_GIB.items()
        for processor, multiples in _PROCESSORS.items()
    },
}
_MEMORY_GIB: Final = {f"db.{family}.{size}": gib for family, sizes in FAMILIES.items() for size, gib in sizes.items()}

# The default of RDS for PostgreSQL: max_connections = LEAST(DBInstanceClassMemory / 9531392, 5000),
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections
_CONNECTION_BYTES: Final = 9_531_392
_MOST_CONNECTIONS: Final = 5000
# The same page: DBInstanceClassMemory is the memory that the operating system and RDS leave, for which AWS gives no
# number. The numbers published for running servers (PostgreSQL: 198 connections at 2 GiB, 413 at 4, 856 at 8, 1660 at
# 15.25; MySQL, which divides the same bytes by 12582880: 66 at 1 GiB and 1320 at 16) are always above those for 95 % of
# the memory minus 256 MiB:
# https://gist.github.com/guizmaii/1cacffef793c2ba9645083c3e18b3d8c
# http://tritoneco.com/2015/11/23/max_connections-at-aws-rds-mysql-instance-sizes/
_LEFT_BY_THE_SYSTEM: Final = 0.95
_TAKEN_BY_RDS: Final = 2**28


def memory_gib(instance_class: str) -> float:
    """Return the nominal memory of `instance_class`, such as `db.t4g.medium`, in GiB.

    Raises:
        ValueError: The class isn't one of the families and sizes above.
    """
    memory = _MEMORY_GIB.get(instance_class)
    if memory is None:
        close = difflib.get_close_matches(instance_class, _MEMORY_GIB, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else "."
        raise ValueError(
            f"the instance class must be db.FAMILY.SIZE of the families {', '.join(FAMILIES)}, such as db.t4g.medium, "
            f"got {instance_class!r}{hint}"
        )
    return float(memory)


def max_connections(instance_class: str) -> int:
    """Return how many connections PostgreSQL accepts at least, including superusers'; raises as `memory_gib` does."""
    usable = memory_gib(instance_class) * GIB * _LEFT_BY_THE_SYSTEM - _TAKEN_BY_RDS
    return min(int(usable / _CONNECTION_BYTES), _MOST_CONNECTIONS)
