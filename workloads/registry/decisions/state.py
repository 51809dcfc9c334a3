"""The aliases and stages that a model's versions have after a decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

CANDIDATE: Final = "candidate"
CHAMPION: Final = "champion"
PREVIOUS: Final = "previous"

# In all of MLflow's stages but `None`, which is no decision (mlflow/entities/model_registry/model_version_stages.py).
STAGES: Final = ("Staging", "Production", "Archived")
# A version that gets one of these takes the place of the one that has it, which is archived.
EXCLUSIVE_STAGES: Final = ("Staging", "Production")


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """The versions by alias, and by stage the version that was moved there last."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)

    def moved(self, alias: str, from_version: str | None, to_version: str, stage: str | None = None) -> Self:
        """Return the state after `alias` moved between the versions.

        The version that was the champion becomes `previous`. A stage of the version that `alias` leaves moves too.
        """
        aliases = {**self.aliases, alias: to_version}
        if alias == CHAMPION and from_version is not None:
            aliases[PREVIOUS] = from_version
        left = [name for name in EXCLUSIVE_STAGES if from_version and self.stages.get(name) == from_version]
        targets = [stage] if stage else left if alias != CANDIDATE else []
        stages = dict(self.stages)
        if targets:
            stages = {name: version for name, version in stages.items() if version != to_version}
            stages.update(dict.fromkeys(targets, to_version))
        return replace(self, aliases=aliases, stages=stages)
