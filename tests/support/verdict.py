"""A policy whose verdict a test chooses."""

from collections.abc import Callable, Sequence

from mlflow.entities.model_registry import ModelVersion

from workloads.registry.policy import Report, Rule


class Verdict:
    """A policy that accepts or refuses; `compared` are the candidates and champions that it was shown.

    `meanwhile` is what others do while it judges.
    """

    name = "always"
    digest = "ab" * 32

    def __init__(self, *, accepts: bool = True, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.accepts = accepts
        self.meanwhile = meanwhile
        self.compared: list[tuple[str, str | None, tuple[str, ...]]] = []

    def judge(self, candidate: ModelVersion, champion: ModelVersion | None, approvals: Sequence[str]) -> Report:
        """Return the chosen verdict."""
        self.meanwhile()
        against = None if champion is None else str(champion.version)
        self.compared.append((str(candidate.version), against, tuple(approvals)))
        return Report(
            policy=self.name,
            policy_digest=self.digest,
            model=candidate.name,
            candidate=str(candidate.version),
            champion=against,
            rules=(
                Rule(name="accuracy", held=self.accepts, measured="0.93", required="at least 0.9"),
                Rule(name="size", held=True, measured="1000 bytes", required="at most 2000 bytes"),
            ),
        )
