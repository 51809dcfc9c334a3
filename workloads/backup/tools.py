"""Run PostgreSQL's client programs with pipes; their stderr gives the reason of a failure.

They get the address and the password in libpq's variables, never as arguments, which other processes can read.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Self

from psycopg.conninfo import make_conninfo

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.database.address import LOCK_TIMEOUT_SECONDS, Address


class Tool:
    """A client program with a pipe to it or from it; it runs in the context, and leaving that kills it."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        address: Address | None = None,
        feed: bool = False,
        read: bool = False,
        entries: Sequence[str] | None = None,
    ) -> None:
        self._argv = [_find(argv[0]), *argv[1:]]
        self._entries = entries
        self._environment = os.environ | (address.libpq() if address else {})
        self._stdin = subprocess.PIPE if feed else subprocess.DEVNULL
        self._stdout = subprocess.PIPE if read else subprocess.DEVNULL

    def __enter__(self) -> Self:
        self._stderr = tempfile.TemporaryFile()
        self._list = tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="surrogateescape")
        chosen = []
        if self._entries is not None:
            self._list.write("".join(f"{entry}\n" for entry in self._entries))
            self._list.flush()
            chosen = [f"--use-list={self._list.name}"]
        self._process = subprocess.Popen(
            [*self._argv, *chosen], env=self._environment, stdin=self._stdin, stdout=self._stdout, stderr=self._stderr
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._close_input()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()
        self._stderr.close()
        self._list.close()

    @property
    def output(self) -> IO[bytes]:
        """The pipe from the program."""
        assert self._process.stdout is not None  # noqa: S101 - made with read=True
        return self._process.stdout

    def feed(self, block: bytes) -> bool:
        """Write `block` to the program, and return False if it has ended; `finish` tells why."""
        assert self._process.stdin is not None  # noqa: S101 - made with feed=True
        if self._process.stdin.closed:
            return False
        try:
            self._process.stdin.write(block)
        except BrokenPipeError:
            return False
        return True

    def finish(self, code: Exit) -> None:
        """Wait for the program.

        Raises:
            WorkloadError: It failed; the message has the reason from its stderr, and the command exits with `code`.
        """
        status = self.wait()
        if status:
            name = self._argv[0].rpartition("/")[2]
            # A signal, such as that of the OOM killer, says nothing about the database or the dump.
            raise WorkloadError(
                f"{name} failed ({_status(status)}): {self._reason()}", code if status > 0 else Exit.UNEXPECTED
            )

    def wait(self) -> int:
        """Wait for the program and return its exit status, negative for a signal."""
        self._close_input()
        return self._process.wait()

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def _reason(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines() or ["no reason given"]
        return next((line for line in lines if "error" in line.lower()), lines[-1])


def dump(address: Address, snapshot: str) -> Tool:
    """Return a pg_dump that writes `snapshot` in the custom format, which is compressed and restores selectively."""
    # Level 1: a million metrics take 0.6 s of CPU and 17 MB, against 1.9 s and 16 MB at pg_dump's default, 6.
    return Tool(
        ["pg_dump", "--format=custom", "--compress=1", "--no-password", f"--snapshot={snapshot}",
         f"--lock-wait-timeout={LOCK_TIMEOUT_SECONDS}s"],
        address=address, read=True,
    )  # fmt: skip


def script() -> Tool:
    """Return a pg_restore that reads a whole dump and writes its rows as a script, without a database."""
    return Tool(["pg_restore", "--data-only", "--file=-"], feed=True, read=True)


def contents() -> Tool:
    """Return a pg_restore that lists the entries of a dump; it reads no further than it needs."""
    return Tool(["pg_restore", "--list"], feed=True, read=True)


def restore(address: Address, role: str, entries: Sequence[str] | None = None) -> Tool:
    """Return a pg_restore that fills the empty database at `address` with objects owned by `role`.

    With `entries`, as `contents` lists them, it creates only those.
    """
    return Tool(
        ["pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--no-password",
         f"--role={role}", _database(address)],
        address=address, feed=True, entries=entries,
    )  # fmt: skip


def restore_entries(address: Address, entries: Sequence[str]) -> Tool:
    """Return a pg_restore that creates as many of `entries` as it can, as the role that logs in."""
    return Tool(
        ["pg_restore", "--no-owner", "--no-privileges", "--no-password", _database(address)],
        address=address, feed=True, entries=entries,
    )  # fmt: skip


def _database(address: Address) -> str:
    # A name with "=" in it would be read as a whole connection string.
    return f"--dbname={make_conninfo(dbname=address.name)}"


def version(program: str) -> str:
    """Return the version of `program`, such as "15.20"."""
    answer = subprocess.run([_find(program), "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"[0-9]+(\.[0-9]+)*", answer.stdout)
    if match is None:
        raise WorkloadError(f"{program} --version fails: {answer.stderr.strip() or answer.stdout}", Exit.USAGE)
    return match[0]


def require_version(program: str, at_least: str, whose: str) -> str:
    """Return the version of `program`, whose major number must be at least that of `at_least`.

    Raises:
        WorkloadError: It is too old for `whose`, such as "the server".
    """
    found = version(program)
    needed = major(at_least)
    if major(found) < needed:
        raise WorkloadError(
            f"{program} {found} is older than {whose} {at_least}: install postgresql-client-{needed} or newer.",
            Exit.DATABASE,
        )
    return found


def major(number: str) -> int:
    """Return the major part of a PostgreSQL version."""
    match = re.match("[0-9]+", number)
    if match is None:
        raise WorkloadError(f"{number!r} is not a PostgreSQL version.", Exit.DATABASE)
    return int(match[0])


def _find(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise WorkloadError(f"{program} isn't on PATH: install PostgreSQL's client programs.", Exit.USAGE)
    return path


def _status(status: int) -> str:
    return f"exit code {status}" if status > 0 else f"killed by signal {-status}"
