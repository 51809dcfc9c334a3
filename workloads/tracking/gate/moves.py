"""The guarded moves among the rows that a transaction writes.

The check before a move can't know what else happens until the move is written, and MLflow may get new ways to write an
alias. So each transaction is checked again, after its rows are written and locked, and before it ends.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from workloads.tracking.gate.guards import Guards
from workloads.tracking.gate.subject import PLACEHOLDERS, identity


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A version, by its name after the move, that gets a guarded alias or stage, or keeps it under another name."""

    workspace: str
    name: str
    version: int


def written(session: Session, guards: Guards) -> Iterator[Move]:
    """Yield the guarded moves among the rows that are being flushed."""
    for row in _rows(session):
        if _is_renamed(row):
            yield from held(session, guards, row.workspace, row.name)
        elif _gives(row, guards):
            yield Move(workspace=row.workspace, name=row.name, version=int(row.version))


def turned(session: Session, guards: Guards) -> Iterator[Move]:
    """Yield the holders of a guarded alias or stage that the flush makes prompts, or stops being prompts.

    Prompts hold it unchecked, so a model mustn't turn into one or stop being one while it holds it.
    """
    for row in _rows(session) | set(session.deleted):
        if _marks_prompt(row) and (row in session.new or row in session.deleted or _set(row, "value")):
            lock(session, row.workspace, row.name)
            for move in held(session, guards, row.workspace, row.name):
                if isinstance(row, SqlRegisteredModelTag) or int(row.version) == move.version:
                    yield move
        elif _has_files(row):
            lock(session, row.workspace, row.name)
            yield from _placeholders(session, held(session, guards, row.workspace, row.name))


def lock(session: Session, workspace: str, name: str) -> None:
    """Let no other transaction turn a model into a prompt or back, or move a prompt, before this one ends."""
    model = SqlRegisteredModel
    # FOR NO KEY UPDATE: the rows that refer to the model may lock its key at the same time.
    row = select(model.name).where(model.workspace == workspace, model.name == name).with_for_update(key_share=True)
    session.execute(row)


def held(session: Session, guards: Guards, workspace: str, name: str) -> Iterator[Move]:
    """Yield the versions of a model that hold a guarded alias or stage."""
    alias, version = SqlRegisteredModelAlias, SqlModelVersion
    aliases = session.execute(
        select(alias.alias, alias.version).where(alias.workspace == workspace, alias.name == name)
    ).all()
    stages = session.execute(
        select(version.current_stage, version.version).where(version.workspace == workspace, version.name == name)
    ).all()
    numbers = {number for label, number in aliases if guards.alias(label)}
    numbers |= {number for label, number in stages if guards.stage(label)}
    for number in sorted(numbers):
        yield Move(workspace=workspace, name=name, version=number)


def _rows(session: Session) -> set[Any]:
    return {*session.new, *session.dirty}


def _placeholders(session: Session, moves: Iterable[Move]) -> Iterator[Move]:
    """Yield those of the versions that have no files."""
    for move in moves:
        row = identity(session, move.workspace, move.name, move.version)
        if row is not None and row[0] in PLACEHOLDERS:
            yield move


def _marks_prompt(row: object) -> bool:
    return isinstance(row, (SqlRegisteredModelTag, SqlModelVersionTag)) and str(row.key) == IS_PROMPT_TAG_KEY


def _has_files(row: object) -> bool:
    """Return whether a version is given an address of files; one that is deleted gets an address that is none."""
    return (
        isinstance(row, SqlModelVersion)
        and _set(row, "source")
        and str(row.source) not in PLACEHOLDERS
        and str(row.current_stage) != STAGE_DELETED_INTERNAL
    )


def _is_renamed(row: object) -> bool:
    return isinstance(row, SqlRegisteredModel) and _set(row, "name")


def _gives(row: Any, guards: Guards) -> bool:  # noqa: ANN401 - MLflow's columns have no types
    if isinstance(row, SqlRegisteredModelAlias):
        return guards.alias(str(row.alias))
    return isinstance(row, SqlModelVersion) and guards.stage(str(row.current_stage)) and _set(row, "current_stage")


def _set(row: object, column: str) -> bool:
    return inspect(row).attrs[column].history.has_changes()
