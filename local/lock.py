"""One command at a time on a platform: `make up` and `make down` wait for no one and say who is at work."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from local import paths
from local.errors import LocalError


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the platform's lock; the kernel lets go of it when the process ends, however it ends.

    Raises:
        LocalError: Another command holds it; names its process.
    """
    paths.home().mkdir(parents=True, exist_ok=True, mode=0o700)
    with (paths.home() / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise LocalError(f"Another command is at work on {paths.home()} (process {holder}): wait for it.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
