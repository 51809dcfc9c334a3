"""Tags as dictionaries, and as the lists that MLflow's API has."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

# Where MLflow keeps an experiment's and a run's description.
DESCRIPTION: Final = "mlflow.note.content"


def to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return MLflow's form of tags."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def to_dict(entries: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Return the dictionary of MLflow's form of tags or parameters."""
    return {entry["key"]: entry.get("value", "") for entry in entries or ()}


def described(tags: Mapping[str, str], description: str | None) -> dict[str, str]:
    """Return the tags with a description."""
    return dict(tags) if description is None else {**tags, DESCRIPTION: description}
