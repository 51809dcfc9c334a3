"""Readings of whole models in the background, each once for all requests that wait for it."""

import contextvars
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Final, TypeVar

from aegis.errors import NotVerifiedError
from workloads.tracking.gate.refusal import UnfinishedError

# In seconds. Well below the 120 s after which MLflow's client gives a request up.
_PATIENCE: Final = 20.0
# Models read at the same time; more would only share the disk and the network.
_PARALLEL: Final = 2
# Files of one model read at the same time.
_PARALLEL_FILES: Final = 4
# Readings that wait or run; each has a thread.
_MOST: Final = 32
# Finished readings that are remembered.
_REMEMBERED: Final = 256

Item = TypeVar("Item")


class Readings:
    """Runs readings by a name that stands for their whole question, and remembers the answers."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._slots = threading.Semaphore(_PARALLEL)
        self._lock = threading.Lock()
        self._running: dict[str, Future[None]] = {}
        self._finished: OrderedDict[str, Future[None]] = OrderedDict()

    def wait(self, name: str, read: Callable[[], None], *, remember: bool) -> None:
        """Wait for the reading `name`, which is started unless it is running or remembered.

        Raises:
            NotVerifiedError: The files aren't those that were signed.
            UnfinishedError: It takes longer than a request may wait, and goes on; or no thread can be started.
        """
        reading = self._reading(name, read, remember=remember)
        try:
            reading.result(self._patience)
        except TimeoutError as error:
            if reading.done():
                raise
            raise UnfinishedError("its files are still being read") from error

    def _reading(self, name: str, read: Callable[[], None], *, remember: bool) -> Future[None]:
        with self._lock:
            known = self._running.get(name) or self._finished.get(name)
            if known is not None:
                return known
            if len(self._running) == _MOST:
                raise UnfinishedError(f"the files of {_MOST} other versions are being read")
            reading = self._running[name] = Future()
            try:
                _start(lambda: self._run(name, read, reading, remember=remember))
            except UnfinishedError:
                del self._running[name]
                raise
        return reading

    def _run(self, name: str, read: Callable[[], None], reading: Future[None], *, remember: bool) -> None:
        error: BaseException | None = None
        try:
            with self._slots:
                read()
        except BaseException as raised:  # noqa: BLE001 - raised again where it is waited for
            error = raised
        with self._lock:
            del self._running[name]
            if remember and (error is None or isinstance(error, NotVerifiedError)):
                self._finished[name] = reading
                if len(self._finished) > _REMEMBERED:
                    self._finished.popitem(last=False)
        if error is None:
            reading.set_result(None)
        else:
            reading.set_exception(error)


def for_each(items: Iterable[Item], work: Callable[[Item], None]) -> None:
    """Call `work` for each item, several at a time, and raise the first error."""
    lock, remaining, errors = threading.Lock(), iter(items), list[BaseException]()

    def run() -> None:
        try:
            while not errors:
                with lock:
                    item = next(remaining, None)
                if item is None:
                    return
                work(item)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads: list[threading.Thread] = []
    try:
        for _ in range(_PARALLEL_FILES):
            threads.append(_start(run))  # noqa: PERF401 - those that were started are joined after an error
    except UnfinishedError as error:
        errors.append(error)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _start(work: Callable[[], None]) -> threading.Thread:
    """Start a thread in the request's context, which names its workspace.

    A thread of an executor would hold up the end of the process until its work is done.

    Raises:
        UnfinishedError: The system has no more threads or memory.
    """
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="gate-reading", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise UnfinishedError("no thread can be started to read its files") from error
    return thread
