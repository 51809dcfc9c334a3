"""A lock that allows one writer at a time for an archive and the files beside it.

The lock is a name in Linux's abstract socket namespace (unix(7)): no file is left behind, the kernel frees it when the
process ends in any way, and it tells the loser which process holds it. It works among the processes of one machine or
container; verification detects what another machine writes to a shared file system.
"""

import contextlib
import hashlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from contracts import Exit
from workloads.cli import WorkloadError, file_error

# The process, user and group of a peer (socket(7), SO_PEERCRED).
_CREDENTIALS = struct.Struct("3i")


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the lock of `path`.

    Raises:
        WorkloadError: Another process holds it, or the folder of `path` is missing.
    """
    address = _address(path)
    with socket.socket(socket.AF_UNIX) as holder:
        try:
            holder.bind(address)
        except OSError as error:
            raise WorkloadError(
                f"{path} is being written by {_who(address)}: wait for it, or write to another path.", Exit.USAGE
            ) from error
        holder.listen()
        yield


def _address(path: Path) -> str:
    """Return the name of the lock, the same for every spelling of the path."""
    try:
        folder = path.parent.stat()
    except OSError as error:
        raise file_error(path, "written", error) from error
    name = f"{folder.st_dev}:{folder.st_ino}:{os.fsencode(path.name).hex()}"
    return "\0aegis-signing:" + hashlib.sha256(name.encode()).hexdigest()


def _who(address: str) -> str:
    with socket.socket(socket.AF_UNIX) as question:
        question.settimeout(0)
        try:
            question.connect(address)
            peer = question.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return "another process"
    return f"process {_CREDENTIALS.unpack(peer)[0]}"
