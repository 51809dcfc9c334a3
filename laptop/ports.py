"""Find a port that is taken and a server that runs already, before a second one starts."""

import fcntl
import os
import socket
from pathlib import Path

from contracts import Exit
from workloads.cli import WorkloadError, file_error


def require_free(port: int, variable: str) -> None:
    """Raise a `WorkloadError` if another program listens on `port` of 127.0.0.1; `variable` sets the port."""
    with socket.socket() as probe:
        # As the server does: a port of closed connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise WorkloadError(
                f"Port {port} of 127.0.0.1 can't be used ({error.strerror}): set {variable} to a free port.", Exit.USAGE
            ) from error


def hold(path: Path, name: str) -> None:
    """Lock `path` until this process ends, also if it becomes another program.

    Raises:
        WorkloadError: A process that still runs holds it; `name` says what it is.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise file_error(path, "written", error) from error
    # Programs that this process becomes or starts inherit it.
    fcntl.fcntl(descriptor, fcntl.F_SETFD, 0)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise WorkloadError(f"{name} already runs on {path.parent} (process {holder}).", Exit.USAGE) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
