"""The judge whose verdict a promotion needs."""

from collections.abc import Sequence
from typing import Protocol

from mlflow.entities.model_registry import ModelVersion

from workloads.registry.policy import Report


class Judge(Protocol):
    """A policy that judges versions; `workloads.registry.policy.Judge` is one that was read from a file."""

    @property
    def name(self) -> str:
        """The policy's name."""
        ...

    @property
    def digest(self) -> str:
        """The SHA-256 in hex of the policy's file."""
        ...

    def judge(self, candidate: ModelVersion, champion: ModelVersion | None, approvals: Sequence[str]) -> Report:
        """Compare the candidate with the champion."""
        ...
