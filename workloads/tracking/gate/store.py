"""MLflow's model registry store with the gate inside."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Final

from mlflow.entities.model_registry import ModelVersion, ModelVersionTag, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.validation import _validate_model_version
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, UOWTransaction

from workloads.tracking.gate import moves, refusal
from workloads.tracking.gate.gate import Gate
from workloads.tracking.gate.guards import Guards
from workloads.tracking.gate.moves import Move
from workloads.tracking.gate.refusal import RefusedError, UnfinishedError
from workloads.tracking.gate.subject import SEAL_TAG, Subject, identity, read

# The moves that the running request may write, and each version as it was checked.
_allowed: ContextVar[Mapping[Move, Subject] | None] = ContextVar("allowed", default=None)

Sessions = Callable[..., AbstractContextManager[Session]]


class GatedStore(SqlAlchemyStore):
    """A store that gives a guarded alias or stage only to versions that verify."""

    def __init__(self, db_uri: str, read_db_uri: str | None = None) -> None:
        super().__init__(db_uri, read_db_uri)
        self._guards: Final = Guards.from_environment()
        self._gate: Final = Gate()
        self.ManagedSessionMaker = _watched(self.ManagedSessionMaker, self._check_written)

    def set_registered_model_alias(self, name: str, alias: str, version: str | int) -> None:
        """Point an alias to a version, which must verify if the alias is guarded."""
        if not (isinstance(alias, str) and self._guards.alias(alias)):
            self._point(name, alias, version)
            return
        with _allow(self._verified(name, version, f"the guarded alias {alias!r}")):
            self._point(name, alias, version)

    def transition_model_version_stage(
        self,
        name: str,
        version: str | int,
        stage: str,
        archive_existing_versions: bool,
    ) -> ModelVersion:
        """Move a version to a stage; it must verify if the stage is guarded."""
        if not (isinstance(stage, str) and self._guards.stage(stage)):
            return super().transition_model_version_stage(name, version, stage, archive_existing_versions)
        with _allow(self._verified(name, version, f"the guarded stage {stage!r}")):
            return super().transition_model_version_stage(name, version, stage, archive_existing_versions)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Rename a model; its versions with a guarded alias or stage must be signed for the new name."""
        with self.ManagedSessionMaker(read_only=False) as session:
            holders = list(moves.held(session, self._guards, self._get_active_workspace(), name))
        allowed: dict[Move, Subject] = {}
        for holder in holders:
            favour = f"the name {new_name!r} while it holds a guarded alias or stage"
            allowed |= self._verified(name, holder.version, favour, new_name)
        with _allow(allowed):
            return super().rename_registered_model(name, new_name)

    def _point(self, name: str, alias: str, version: str | int) -> None:
        try:
            super().set_registered_model_alias(name, alias, version)
        except MlflowException as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            # Another client created the alias at the same moment. MLflow would answer 400; now there is one to move.
            super().set_registered_model_alias(name, alias, version)

    def _verified(self, name: str, version: str | int, favour: str, new_name: str | None = None) -> dict[Move, Subject]:
        """Check a version, as a version of `new_name` if that is given, and return the move that it may make."""
        number = _validate_model_version(version)
        with self.ManagedSessionMaker(read_only=False) as session:
            subject = read(session, self._get_active_workspace(), name, number)
        if subject is None:
            return {}
        subject = dataclasses.replace(subject, name=new_name or name)
        if not subject.is_prompt:
            self._check(subject, name, favour)
        return {Move(workspace=subject.workspace, name=subject.name, version=number): subject}

    def _check(self, subject: Subject, name: str, favour: str) -> None:
        """Check a version of the model that is called `name` now, and may be renamed to the subject's name."""

        def keep(seal: str) -> None:
            self.set_model_version_tag(name, subject.version, ModelVersionTag(SEAL_TAG, seal))

        title = f"{name} version {subject.version}"
        try:
            self._gate.check(subject, keep)
        except RefusedError as refused:
            raise refusal.denied(title, favour, refused) from refused
        except UnfinishedError as reason:
            raise refusal.unfinished(title, favour, reason) from reason

    def _check_written(self, session: Session, _flush: UOWTransaction) -> None:
        for move in moves.turned(session, self._guards):
            raise MlflowException(
                f"{move.name} version {move.version} holds a guarded alias or stage, so {move.name} can't become "
                "a prompt or stop being one. Delete the alias or leave the stage first.",
                PERMISSION_DENIED,
            )
        for move in moves.written(session, self._guards):
            checked = (_allowed.get() or {}).get(move)
            if checked is None or not _is_as_checked(session, move, checked):
                raise MlflowException(
                    f"{move.name} version {move.version} was not checked for a guarded alias or stage, "
                    "or was replaced during the check. Try again.",
                    PERMISSION_DENIED,
                )


class GatedWorkspaceStore(GatedStore, WorkspaceAwareSqlAlchemyStore):
    """The same for a server with workspaces."""


def _is_as_checked(session: Session, move: Move, checked: Subject) -> bool:
    if not checked.is_prompt:
        return identity(session, move.workspace, move.name, move.version) == checked.identity
    moves.lock(session, move.workspace, move.name)
    current = read(session, move.workspace, move.name, move.version)
    return current is not None and current.is_prompt and current.identity == checked.identity


@contextmanager
def _allow(allowed: Mapping[Move, Subject]) -> Iterator[None]:
    token = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(token)


def _watched(sessions: Sessions, check: Callable[[Session, UOWTransaction], None]) -> Sessions:
    @contextmanager
    def make(*args: Any, **options: Any) -> Iterator[Session]:  # noqa: ANN401 - passed on unchanged
        with sessions(*args, **options) as session:
            event.listen(session, "after_flush", check)
            yield session

    return make
