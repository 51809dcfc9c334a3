"""The address of a database in libpq's variables, and connections to it that are tried a limited number of times."""

import functools
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Self

import psycopg

from contracts import POSTGRES_PORT, Exit
from workloads import retry
from workloads.cli import WorkloadError, require_env
from workloads.database import auth, tokens
from workloads.database.auth import Auth

CONNECT_TIMEOUT_SECONDS: Final = 10
# A session that waits for hours, as while a dump is made, outlives the idle limits of AWS (350 s) and of firewalls.
KEEPALIVE_SECONDS: Final = 60
# In bytes: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
NAME_LIMIT: Final = 63
_LAST_PORT: Final = 65535
# A migration that holds a table for longer than this is itself the problem.
LOCK_TIMEOUT_SECONDS: Final = 300


class _UnreachableError(Exception):
    """The server gave no answer, or one that will change by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a database is and who logs in; `password` gives one for each login, without it libpq's PGPASSWORD counts.

    All else, such as PGSSLMODE and PGSSLROOTCERT, stays in libpq's own variables.
    """

    host: str
    port: int
    user: str
    name: str
    password: Callable[[], str] | None = field(default=None, repr=False)

    @classmethod
    def from_env(cls) -> Self:
        """Read libpq's variables PGHOST, PGPORT, PGUSER and PGDATABASE, and whether a token is the password.

        Raises:
            WorkloadError: One is missing or wrong, or a token could reach a server that isn't the database's.
        """
        host, port = server_from_env()
        user = identifier_from_env("PGUSER", "the database role")
        name = identifier_from_env("PGDATABASE", "the name of MLflow's database")
        require_plain("PGPASSWORD")
        if auth.from_env() is Auth.PASSWORD:
            return cls(host=host, port=port, user=user, name=name)
        tokens.require_checked_server(os.environ.get("PGSSLMODE", ""), "PGSSLMODE")
        password = functools.partial(tokens.token, host, port, user)
        return cls(host=host, port=port, user=user, name=name, password=password)

    def __str__(self) -> str:
        return f"PostgreSQL at {self.host}:{self.port}, database {self.name}"

    def of(self, name: str) -> Self:
        """Return the address of another database of the same server."""
        return replace(self, name=name)

    def libpq(self) -> dict[str, str]:
        """Return the variables with which a program of PostgreSQL that starts now logs in."""
        variables = {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user, "PGDATABASE": self.name}
        return variables | ({"PGPASSWORD": self.password()} if self.password else {})

    @contextmanager
    def connect(self, attempts: int = retry.ATTEMPTS) -> Iterator[psycopg.Connection]:
        """Connect in autocommit mode, in at most `attempts`.

        Raises:
            WorkloadError: The server doesn't answer or refuses, here or at a later statement; exits with
                `Exit.DATABASE`.
        """
        connection = retry.call(
            self._connect,
            service=str(self),
            code=Exit.DATABASE,
            transient=(_UnreachableError,),
            attempts=attempts,
        )
        with self._errors(), connection:
            yield connection

    def _connect(self) -> psycopg.Connection:
        try:
            return psycopg.connect(
                host=self.host, port=self.port, user=self.user, dbname=self.name, autocommit=True,
                password=self.password() if self.password else None,
                connect_timeout=CONNECT_TIMEOUT_SECONDS, application_name="aegis", keepalives_idle=KEEPALIVE_SECONDS,
                options=f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s -c statement_timeout=0",
            )  # fmt: skip
        except psycopg.OperationalError as error:
            reason = _first_line(error)
            # "FATAL" is the server's own answer, such as a wrong password: asking again won't change it.
            if "FATAL" in reason and "starting up" not in reason and "shutting down" not in reason:
                raise WorkloadError(f"{self} refused the connection: {reason}", Exit.DATABASE) from error
            raise _UnreachableError(reason) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise WorkloadError(f"{self}: {_first_line(error)}", Exit.DATABASE) from error


def server_from_env() -> tuple[str, int]:
    """Return the host and the port in libpq's variables PGHOST and PGPORT.

    Raises:
        WorkloadError: There is no host, or the port is no number.
    """
    port = os.environ.get("PGPORT") or str(POSTGRES_PORT)
    if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) <= _LAST_PORT:
        raise WorkloadError(f"PGPORT is {port!r}, not a port number.", Exit.USAGE)
    host = require_env("PGHOST", "the database server's address")
    if not _is_text(host):
        raise WorkloadError(f"PGHOST is {host!r}, not the name or address of a server.", Exit.USAGE)
    return host, int(port)


def identifier_from_env(name: str, purpose: str) -> str:
    """Return the name of a role or a database in the variable `name`.

    Raises:
        WorkloadError: It isn't set, or PostgreSQL couldn't hold it.
    """
    value = require_env(name, purpose)
    if not _is_text(value) or len(value.encode()) > NAME_LIMIT:
        raise WorkloadError(
            f"{name} is {value!r}: at most {NAME_LIMIT} bytes without control characters are allowed.", Exit.USAGE
        )
    return value


def require_plain(name: str) -> None:
    """Refuse a password in the variable `name` that holds a line break, as `echo` and editors leave at its end.

    Raises:
        WorkloadError: It does; the message doesn't show it.
    """
    if not _is_text(os.environ.get(name, "")):
        raise WorkloadError(
            f"{name} holds a line break or another control character: write it without one.", Exit.USAGE
        )


def _is_text(value: str) -> bool:
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)


def _first_line(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].removeprefix("connection failed: ") if lines else type(error).__name__
