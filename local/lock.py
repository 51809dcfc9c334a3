"""The lock that lets one command at a time work on a platform; a second command fails and names the first."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from local import paths
from local.errors import LocalError


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the platform's lock; the kernel releases it when the process ends, even if it is killed.

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
            raise LocalError(f"Another command is working on {paths.home()} (process {holder}): wait for it.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
