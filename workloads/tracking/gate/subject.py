"""A model version as the registry has it: all that the gate asks the database for, in one query."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.prompt.constants import _PROMPT_SOURCE_PLACEHOLDERS, IS_PROMPT_TAG_KEY
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModelTag,
)
from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

# The last seal of the version's files, see `seal`.
SEAL_TAG: Final = "aegis.gate.seal"
_OUR_TAGS: Final = "aegis."

# Columns that differ if a version was deleted and created again under the same number.
_IDENTITY: Final = (
    SqlModelVersion.source,
    SqlModelVersion.storage_location,
    SqlModelVersion.run_id,
    SqlModelVersion.creation_time,
)
# MLflow's addresses of what has no files.
PLACEHOLDERS: Final = _PROMPT_SOURCE_PLACEHOLDERS
Identity = tuple[str | None, str | None, str | None, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A model version, with those of its tags that the gate reads.

    `in_prompt` tells that the registered model is marked as a prompt, and none of its versions has files.
    """

    workspace: str
    name: str
    version: int
    identity: Identity
    tags: dict[str, str]
    in_prompt: bool = False

    @property
    def run_id(self) -> str | None:
        """The ID of the run that logged the model."""
        return self.identity[2]

    @property
    def location(self) -> str:
        """The address of the files that the registry serves: `get_model_version_download_uri` of MLflow's store."""
        source, storage_location, *_ = self.identity
        return storage_location or source or ""

    @property
    def is_prompt(self) -> bool:
        """Whether this is a version of a prompt, which can't be loaded as a model."""
        return self.in_prompt and self.tags.get(IS_PROMPT_TAG_KEY, "").lower() == "true"


def read(session: Session, workspace: str, name: str, version: int) -> Subject | None:
    """Return a version, or None if there is no such version."""
    rows = session.execute(_with_tags(), _key(workspace, name, version)).all()
    if not rows:
        return None
    source, location, run_id, created, in_prompt, *_ = rows[0]
    return Subject(
        workspace=workspace,
        name=name,
        version=version,
        identity=(source, location, run_id, created),
        tags={key: value or "" for *_, key, value in rows if key is not None},
        in_prompt=bool(in_prompt),
    )


def identity(session: Session, workspace: str, name: str, version: int) -> Identity | None:
    """Return the identity of a version, or None if there is no such version."""
    row = session.execute(_identity(), _key(workspace, name, version)).one_or_none()
    return None if row is None else (row[0], row[1], row[2], row[3])


# The statements are made once, because SQLAlchemy takes longer to make them than a database to answer them.
@cache
def _with_tags() -> Select:
    tag = SqlModelVersionTag
    same = and_(
        tag.workspace == SqlModelVersion.workspace,
        tag.name == SqlModelVersion.name,
        tag.version == SqlModelVersion.version,
        or_(tag.key.startswith(_OUR_TAGS), tag.key == IS_PROMPT_TAG_KEY),
    )
    return _of_key(select(*_IDENTITY, _in_prompt(), tag.key, tag.value).outerjoin(tag, same))


@cache
def _identity() -> Select:
    return _of_key(select(*_IDENTITY))


def _in_prompt() -> ColumnElement[bool]:
    """Return the condition that a version's model is a prompt.

    Anyone may set the tag, so every version must have one of MLflow's placeholders for its address.
    """
    tag, version = SqlRegisteredModelTag, aliased(SqlModelVersion)
    marked = exists().where(
        tag.workspace == SqlModelVersion.workspace,
        tag.name == SqlModelVersion.name,
        tag.key == IS_PROMPT_TAG_KEY,
        func.lower(tag.value) == "true",
    )
    with_files = exists().where(
        version.workspace == SqlModelVersion.workspace,
        version.name == SqlModelVersion.name,
        version.current_stage != STAGE_DELETED_INTERNAL,
        or_(
            func.coalesce(version.source, "").not_in(PLACEHOLDERS),
            func.coalesce(version.storage_location, version.source, "").not_in(PLACEHOLDERS),
        ),
    )
    return and_(marked, ~with_files)


def _of_key(query: Select) -> Select:
    return query.where(
        SqlModelVersion.workspace == bindparam("workspace"),
        SqlModelVersion.name == bindparam("name"),
        SqlModelVersion.version == bindparam("version"),
        SqlModelVersion.current_stage != STAGE_DELETED_INTERNAL,
    )


def _key(workspace: str, name: str, version: int) -> dict[str, str | int]:
    return {"workspace": workspace, "name": name, "version": version}
