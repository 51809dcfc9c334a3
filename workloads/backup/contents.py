"""Find the entries of a dump that the owner of a restored database can't create.

An administrator can add entries to MLflow's database that its owner can't create: an extension, an event trigger, a
publication. MLflow needs none of them, so a restore leaves them out and names them instead of failing.
"""

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import psycopg

from contracts import Exit
from workloads.backup import tools
from workloads.backup.store import BackupStore, PinnedDump
from workloads.database.address import Address

# Kinds that only a superuser, or a role with special rights, can create.
_SUPERUSERS: Final = (
    "EVENT TRIGGER",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "PUBLICATION TABLE",
    "PUBLICATION",
    "SECURITY LABEL",
    "SERVER",
    "SUBSCRIPTION",
    "USER MAPPING",
)
# An entry of `pg_restore --list`: the dump's number, two numbers of the catalogue, kind, schema, name and owner.
_ENTRY: Final = re.compile(
    rf"\d+; \d+ \d+ (?P<comment>COMMENT \S+ )?(?P<kind>EXTENSION|{'|'.join(_SUPERUSERS)}) (?P<rest>.*)"
)
_CREATABLE = """
    SELECT e.name FROM pg_available_extensions e
    JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
    WHERE v.trusted OR NOT v.superuser
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The entries to restore as the owner (None for all), the extension entries, and the names of the others."""

    entries: tuple[str, ...] | None = None
    extensions: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def read(store: BackupStore, dump: PinnedDump) -> list[str]:
    """Return the entries of a dump; only its beginning is read.

    Raises:
        WorkloadError: It isn't a dump, or the object store failed.
    """
    with ThreadPoolExecutor(max_workers=1) as pool, tools.contents() as reader:
        text = pool.submit(reader.output.read)
        for block in store.read_dump(dump):
            if not reader.feed(block):
                break
        reader.finish(Exit.NOT_VERIFIED)
        return [line for line in text.result().decode(errors="replace").splitlines() if not line.startswith(";")]


def choose(connection: psycopg.Connection, entries: Iterable[str], owner: str) -> Choice:
    """Return which `entries` the role `owner` can create in a database of this PostgreSQL server."""
    superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", (owner,)).fetchone()
    if superuser == (True,):
        return Choice()
    creatable = {name for (name,) in connection.execute(_CREATABLE)}
    own: list[str] = []
    extensions: list[str] = []
    left_out: list[str] = []
    for entry in entries:
        found = _ENTRY.match(entry)
        if found is None or (found["kind"] == "EXTENSION" and _extension(found) in creatable):
            own.append(entry)
        elif found["kind"] == "EXTENSION" and not found["comment"]:
            extensions.append(entry)
        elif not found["comment"]:
            left_out.append(f"{found['kind']} {found['rest'].removeprefix('- ').strip()}")
    return Choice(
        entries=tuple(own) if extensions or left_out else None, extensions=tuple(extensions), left_out=tuple(left_out)
    )


def make_extensions(store: BackupStore, dump: PinnedDump, into: Address, entries: Sequence[str]) -> tuple[str, ...]:
    """Create the extensions `entries` as the role that logs in; return the entries that it can't create either."""
    if not entries:
        return ()
    with tools.restore_entries(into, entries) as restoring:
        for block in store.read_dump(dump):
            if not restoring.feed(block):
                break
        restoring.wait()
    with into.connect() as connection:
        existing = {name for (name,) in connection.execute("SELECT extname FROM pg_extension")}
    return tuple(entry for entry in entries if extension(entry) not in existing)


def extension(entry: str) -> str:
    """Return the name of the extension in an entry."""
    found = _ENTRY.match(entry)
    return _extension(found) if found else entry


def _extension(found: re.Match[str]) -> str:
    # "- NAME" for the extension itself, which has no owner, and "NAME OWNER" for its comment.
    return found["rest"].removeprefix("- ").strip()
