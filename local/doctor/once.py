"""Values that several checks need and that take long: whoever asks first gets them, and the others wait for it."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")


class Once:
    """Makes each value once, in whichever thread asks first; a failure is kept, too."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[Hashable, Future[Any]] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of `key`, or raise what making it raised."""
        with self._lock:
            known = self._values.get(key)
            value = self._values.setdefault(key, Future())
        if known is None:
            try:
                value.set_result(make())
            except Exception as error:  # noqa: BLE001 - every thread that asks gets it
                value.set_exception(error)
        return value.result()
