"""The parts of the exporter: how often each is read, and what there must be to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts import Env


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A source of figures, a module of `sources` with the part's name.

    `period` is in seconds. Without the variable `needs` there is nothing to read.
    """

    period: int
    needs: str


PARTS: Final[Mapping[str, Part]] = {
    "database": Part(period=120, needs="PGHOST"),
    "vault": Part(period=120, needs=Env.VAULT_ADDR),
    "models": Part(period=600, needs="PGHOST"),
    "backups": Part(period=600, needs=Env.EXPORTER_BUCKETS),
    "buckets": Part(period=3600, needs=Env.EXPORTER_BUCKETS),
    "certificates": Part(period=3600, needs=Env.EXPORTER_CERTIFICATES),
}
