"""Experiments, runs and registered models, in MLflow's database."""

from collections.abc import Iterator

from aegis.trust import trusted_keys
from workloads.database.address import Address
from workloads.monitoring import registry
from workloads.monitoring.samples import Sample


def read() -> Iterator[Sample]:
    """Yield the figures of experiments, runs and registered models."""
    keys = trusted_keys()
    with Address.from_env().connect(attempts=1) as connection:
        yield from registry.figures(connection, keys)
