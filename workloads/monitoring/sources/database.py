"""The database server."""

from collections.abc import Iterator

from workloads.database.address import Address
from workloads.monitoring import registry
from workloads.monitoring.samples import Sample


def read() -> Iterator[Sample]:
    """Yield the figures of the database server."""
    with Address.from_env().connect(attempts=1) as connection:
        yield from registry.server(connection)
