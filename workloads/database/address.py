"""The address of a database from libpq's environment variables, and connections to it with limited retries."""

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
from workloads.database import login
from workloads.database.login import Auth

CONNECT_TIMEOUT_SECONDS: Final = 10
# A session may be idle for hours, for example during a dump: longer than the idle limits of AWS (350 s) and firewalls.
KEEPALIVE_SECONDS: Final = 60
# In bytes: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
NAME_LIMIT: Final = 63
_LAST_PORT: Final = 65535
# A migration that locks a table for longer than this has a problem itself.
LOCK_TIMEOUT_SECONDS: Final = 300


class _UnreachableError(Exception):
    """The server did not answer, or is starting up or shutting down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A database and the user that logs in to it.

    `password` returns the password of each login; without it, libpq reads PGPASSWORD. Everything else, such as
    PGSSLMODE and PGSSLROOTCERT, stays in libpq's own environment variables.
    """

    host: str
    port: int
    user: str
    name: str
    password: Callable[[], str] | None = field(default=None, repr=False)

    @classmethod
    def from_env(cls) -> Self:
        """Read PGHOST, PGPORT, PGUSER and PGDATABASE, and the way to log in.

        Raises:
            WorkloadError: A variable is missing or invalid, or a token could reach another server than the database's.
        """
        host, port = server_from_env()
        user = identifier_from_env("PGUSER", "the database user")
        name = identifier_from_env("PGDATABASE", "the name of MLflow's database")
        require_plain("PGPASSWORD")
        if login.auth_from_env() is Auth.PASSWORD:
            return cls(host=host, port=port, user=user, name=name)
        login.require_checked_server(os.environ.get("PGSSLMODE", ""), "PGSSLMODE")
        password = functools.partial(login.token, host, port, user)
        return cls(host=host, port=port, user=user, name=name, password=password)

    def __str__(self) -> str:
        return f"PostgreSQL at {self.host}:{self.port}, database {self.name}"

    def of(self, name: str) -> Self:
        """Return the address of another database on the same server."""
        return replace(self, name=name)

    def libpq(self) -> dict[str, str]:
        """Return the environment variables for a PostgreSQL program that starts now."""
        variables = {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user, "PGDATABASE": self.name}
        return variables | ({"PGPASSWORD": self.password()} if self.password else {})

    @contextmanager
    def connect(self, attempts: int = retry.ATTEMPTS) -> Iterator[psycopg.Connection]:
        """Connect in autocommit mode, within at most `attempts`.

        Raises:
            WorkloadError: The server doesn't answer or refuses, now or at a later statement (`Exit.DATABASE`).
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
            # "FATAL" is an answer of the server, such as a wrong password: a retry won't change it.
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
    """Return the host and port from libpq's environment variables PGHOST and PGPORT.

    Raises:
        WorkloadError: The host is missing or invalid, or the port is invalid.
    """
    port = os.environ.get("PGPORT") or str(POSTGRES_PORT)
    if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) <= _LAST_PORT:
        raise WorkloadError(f"PGPORT must be a port number from 1 to {_LAST_PORT}, got {port!r}.", Exit.USAGE)
    host = require_env("PGHOST", "the PostgreSQL server's address")
    if not _is_text(host):
        raise WorkloadError(f"PGHOST must be the name or address of a server, got {host!r}.", Exit.USAGE)
    return host, int(port)


def identifier_from_env(name: str, purpose: str) -> str:
    """Return the name of a role or a database from the environment variable `name`.

    Raises:
        WorkloadError: It is not set, or is not a name that PostgreSQL allows.
    """
    value = require_env(name, purpose)
    if not _is_text(value) or len(value.encode()) > NAME_LIMIT:
        raise WorkloadError(
            f"{name} must be at most {NAME_LIMIT} bytes without control characters, got {value!r}.", Exit.USAGE
        )
    return value


def require_plain(name: str) -> None:
    """Refuse a password with a line break, which `echo` and editors leave at its end, in the variable `name`.

    Raises:
        WorkloadError: The password contains a control character; the message doesn't show the password.
    """
    if not _is_text(os.environ.get(name, "")):
        raise WorkloadError(f"{name} contains a line break or another control character: remove it.", Exit.USAGE)


def _is_text(value: str) -> bool:
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)


def _first_line(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].removeprefix("connection failed: ") if lines else type(error).__name__
