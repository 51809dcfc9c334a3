"""A preview, whichever form the engine wrote it in."""

from dataclasses import dataclass

from review.steps import Action, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A policy that a resource violates; one that is not mandatory is advice."""

    policy: str
    urn: str
    message: str
    mandatory: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What the engine would do to a stack, and what it complains about."""

    stack: str
    steps: tuple[Step, ...] = ()
    unchanged: int = 0
    errors: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()
    # Whether the engine came to its end and complained about nothing.
    succeeded: bool = False

    @property
    def mandatory(self) -> tuple[Violation, ...]:
        """The violations that stop an update."""
        return tuple(each for each in self.violations if each.mandatory)

    @property
    def failed(self) -> bool:
        """Whether it mustn't be applied, whatever it would do."""
        return not self.succeeded or bool(self.mandatory)

    def count(self, action: Action) -> int:
        """Return how many resources meet that action."""
        return sum(step.action is action for step in self.steps)
