"""The command that upgrades MLflow's database to the schema of the installed MLflow, one process at a time."""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from mlflow import db
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from contracts import Env, Exit
from workloads import cli
from workloads.cli import WorkloadError, require_env
from workloads.migration import schema

EPILOG = f"""examples:
  {Env.BACKEND_STORE_URI}=postgresql+psycopg://user:password@host/mlflow python -m workloads.migration.upgrade

environment:
  {Env.BACKEND_STORE_URI}  SQLAlchemy URI of the database; not an argument, because it contains the password

Create a backup first: a migration can't be undone, and an older MLflow refuses a newer schema.

exit codes:
  {Exit.USAGE:d} bad input, {Exit.DATABASE:d} the database is dead, locked, or newer than this MLflow
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The schema revisions before and after; `before` is None if the database was empty."""

    before: str | None
    after: str

    @property
    def changed(self) -> bool:
        """Whether the schema was changed."""
        return self.before != self.after


def upgrade(uri: str, lock_timeout_seconds: int) -> Outcome:
    """Upgrade the database at `uri` and check that it has the schema of the installed MLflow.

    Raises:
        WorkloadError: The database is dead, locked, newer than this MLflow, or the migration failed.
    """
    engine = schema.connect(uri)
    scripts = schema.scripts()
    head = scripts.get_current_head()
    with _failures(), schema.advisory_lock(engine, lock_timeout_seconds):
        before = schema.current(engine)
        if before != head:
            _refuse_newer(scripts, before)
            _migrate(uri)
        after = schema.current(engine)
    if after is None or after != head:
        raise WorkloadError(f"The schema is at {after} after the migration, but MLflow needs {head}.", Exit.DATABASE)
    return Outcome(before=before, after=after)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.migration.upgrade", "Create or upgrade the schema of MLflow's database.", EPILOG)
    parser.add_argument("--lock-timeout", type=_seconds, default=600, metavar="S", help="seconds to wait for the lock")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    uri = require_env(Env.BACKEND_STORE_URI, "the URI of MLflow's database")
    outcome = upgrade(uri, args.lock_timeout)
    if args.json:
        print(json.dumps(asdict(outcome) | {"changed": outcome.changed}))
    elif outcome.changed:
        print(f"schema upgraded from {outcome.before or 'an empty database'} to {outcome.after}")
    else:
        print(f"schema is at {outcome.after}, nothing to do")
    return Exit.OK


def _refuse_newer(scripts: ScriptDirectory, revision: str | None) -> None:
    if revision is None:
        return
    try:
        scripts.get_revision(revision)
    except CommandError:
        raise WorkloadError(
            f"The schema is at {revision}, which this MLflow doesn't know: a newer MLflow upgraded it. Run that "
            "version, or restore a backup from before the upgrade.",
            Exit.DATABASE,
        ) from None


def _migrate(uri: str) -> None:
    migrate = db.upgrade.callback
    if migrate is None:
        raise WorkloadError("The installed MLflow has no `mlflow db upgrade`.")
    migrate(uri)


@contextmanager
def _failures() -> Iterator[None]:
    """Turn errors of the database, Alembic and MLflow into one line."""
    try:
        yield
    except (SQLAlchemyError, CommandError, MlflowException) as error:
        reason = str(getattr(error, "orig", None) or error) or type(error).__name__
        raise WorkloadError(f"The migration failed: {reason.splitlines()[0]}", Exit.DATABASE) from error


def _seconds(text: str) -> int:
    if not re.fullmatch("0*[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number of seconds from 1 to 999999, got {text!r}")
    return int(text)


if __name__ == "__main__":
    cli.run(main)
