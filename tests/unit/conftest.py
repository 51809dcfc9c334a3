"""Keeps the unit tests apart from one another: MLflow's client sets environment variables."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@pytest.fixture(autouse=True, scope="module")
def environment_of_the_module() -> Iterator[None]:
    """Restore the environment variables that the fixtures of a module change."""
    with _restored():
        yield


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Restore the environment variables that a test changes."""
    with _restored():
        yield


@contextmanager
def _restored() -> Iterator[None]:
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)
