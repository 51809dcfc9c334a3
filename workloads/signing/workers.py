"""Threads that read, hash and write one stream of bytes at the same time, in constant memory.

Hashing and file I/O release Python's global lock, so plain threads use all cores.
"""

import queue
import threading
from collections.abc import Callable
from typing import Self

# The largest stored block of DEFLATE (RFC 1951, section 3.2.4: a 16-bit length); a slab of 16 fits a CPU's cache.
BLOCK_BYTES = 65535
SLAB_BYTES = 16 * BLOCK_BYTES
SLABS = 8


class Slab:
    """A reusable buffer that returns to its pool once each of its users has released it."""

    def __init__(self, pool: "Pool") -> None:
        self.view = memoryview(bytearray(SLAB_BYTES))
        self._pool = pool
        self._users = 0
        self._lock = threading.Lock()

    def share(self, users: int) -> None:
        """Set how many times `release` will be called."""
        self._users = users

    def release(self) -> None:
        """Give up one user's claim."""
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            self._pool.free.put(self)


class Pool:
    """A pool of `SLABS` buffers; taking one waits until one is free, which bounds the memory of a pipeline."""

    def __init__(self) -> None:
        self.free: queue.SimpleQueue[Slab] = queue.SimpleQueue()
        for _ in range(SLABS):
            self.free.put(Slab(self))

    def take(self) -> Slab:
        """Return a free slab, waiting for one."""
        return self.free.get()


class Worker:
    """A thread that runs jobs in order.

    After a job has failed, later jobs are dropped (their `done` still runs), and the next `do` or `finish` raises the
    failure in the caller's thread.
    """

    def __init__(self, name: str, depth: int = 2 * SLABS) -> None:
        self._jobs: queue.Queue[tuple[Callable[[], object], Callable[[], object] | None] | None] = queue.Queue(depth)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], object], done: Callable[[], object] | None = None) -> None:
        """Queue `job`; `done` runs after it, whether or not it failed."""
        if self._failure is not None:
            raise self._failure
        self._jobs.put((job, done))

    def finish(self) -> None:
        """Wait for all jobs."""
        self._stop()
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (entry := self._jobs.get()) is not None:
            job, done = entry
            try:
                if self._failure is None:
                    job()
            except BaseException as failure:  # noqa: BLE001 - raised again in the caller's thread
                self._failure = failure
            finally:
                if done is not None:
                    done()
