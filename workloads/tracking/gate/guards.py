"""The guarded aliases and stages, by the environment variables that the stack sets."""

import os
from dataclasses import dataclass
from typing import Self

from contracts import Env


@dataclass(frozen=True, kw_only=True, slots=True)
class Guards:
    """The aliases and stages that only versions that verify may get, in lower case."""

    aliases: frozenset[str]
    stages: frozenset[str]

    @classmethod
    def from_environment(cls) -> Self:
        """Return the guards of the environment variables; a variable that isn't set guards nothing."""
        return cls(aliases=_names(Env.GUARDED_ALIASES), stages=_names(Env.GUARDED_STAGES))

    def __bool__(self) -> bool:
        return bool(self.aliases or self.stages)

    def alias(self, alias: str) -> bool:
        """Return whether an alias is guarded, in any case.

        Where aliases are guarded, one with a letter outside ASCII is, too: it may look like a guarded one.
        """
        # MLflow accepts a line break after an alias.
        return alias.strip().casefold() in self.aliases or (bool(self.aliases) and not alias.isascii())

    def stage(self, stage: str) -> bool:
        """Return whether a stage is guarded."""
        return stage.casefold() in self.stages


def _names(variable: str) -> frozenset[str]:
    names = (name.strip().casefold() for name in os.environ.get(variable, "").split(","))
    return frozenset(name for name in names if name)
