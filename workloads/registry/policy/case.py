"""The case before the policy: the contestants, the approvals, and what several rules measure once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aegis.errors import NotVerifiedError
from workloads.mlflow_client import Tracking
from workloads.registry.policy import evaluation_set, scores
from workloads.registry.policy.contestant import Contestant
from workloads.registry.policy.evaluation_set import EvaluationSet
from workloads.registry.policy.file import Policy
from workloads.registry.policy.report import Report
from workloads.registry.policy.schema import Evaluation
from workloads.registry.policy.scores import PredictionError

NO_CHAMPION = "no champion yet"


class NotMeasuredError(Exception):
    """A rule that can't be measured, and so doesn't hold; the text is the reason."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A candidate, the champion if there is one, the person who promotes, and the names of those who approve.

    `reported` is the report of another process that ran the contestants' code, None to run it in this process.
    """

    policy: Policy
    tracking: Tracking
    candidate: Contestant
    champion: Contestant | None
    promoter: str | None
    approvals: tuple[str, ...]
    reported: Report | None = None

    @property
    def evaluation(self) -> Evaluation:
        """The policy's evaluation, which is there if a rule needs it."""
        if self.policy.content.evaluation is None:
            raise ValueError("the policy has no evaluation")
        return self.policy.content.evaluation

    @cached_property
    def data(self) -> EvaluationSet:
        """The evaluation set."""
        return evaluation_set.load(self.policy, self.evaluation, self.tracking)

    @cached_property
    def candidate_gains(self) -> NDArray[np.float64]:
        """The gain of the candidate on each sample."""
        return self._gains(self.candidate)

    @cached_property
    def champion_gains(self) -> NDArray[np.float64] | None:
        """The gain of the champion on each sample, None without one."""
        return None if self.champion is None else self._gains(self.champion)

    def explained(self, contestant: Contestant, error: Exception) -> NotMeasuredError:
        """Return the error of a rule that needs `contestant`."""
        return NotMeasuredError(f"the {contestant.role}, version {contestant.version.version}: {error}")

    def _gains(self, contestant: Contestant) -> NDArray[np.float64]:
        data: EvaluationSet = self.data
        try:
            predictions: NDArray[Any] = contestant.predictions(data, self.evaluation.batch_size)
            return scores.gains(predictions, data.target, self.evaluation.score)
        except (PredictionError, NotVerifiedError) as error:
            raise self.explained(contestant, error) from error
