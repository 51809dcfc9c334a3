"""The buckets that the exporter reads, and the keys with which it does."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from contracts import Env, Exit
from workloads.cli import WorkloadError, require_env


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """A bucket and the folder in it. In AWS it has no keys: the pod has a role."""

    name: str
    bucket: str
    prefix: str = ""
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)

    @contextmanager
    def keys(self) -> Iterator[None]:
        """Let S3 clients that are made in this context use the bucket's keys."""
        own = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        before = {name: os.environ.get(name) for name in own}
        _set({name: value for name, value in own.items() if value is not None})
        try:
            yield
        finally:
            _set(before)


def from_env() -> list[Store]:
    """Return the buckets of the environment.

    Raises:
        WorkloadError: The variable is missing or has another form; the message doesn't show it.
    """
    text = require_env(Env.EXPORTER_BUCKETS, "the buckets to read")
    try:
        return [Store(**each) for each in json.loads(text)]
    except (ValueError, TypeError):
        # Without the cause, which would show the keys.
        raise WorkloadError(
            f"{Env.EXPORTER_BUCKETS} must be a JSON list of objects with name, bucket and prefix.", Exit.USAGE
        ) from None


def of(name: str) -> Store:
    """Return the bucket with this name.

    Raises:
        WorkloadError: The environment names no such bucket.
    """
    found = next((store for store in from_env() if store.name == name), None)
    if found is None:
        raise WorkloadError(f"{Env.EXPORTER_BUCKETS} has no bucket {name}.", Exit.USAGE)
    return found


def _set(values: dict[str, str | None] | dict[str, str]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
