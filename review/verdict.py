"""The verdict on a preview: the first sentence of its comment, and whether the change may go on."""

from dataclasses import dataclass

from review.data import Loss, losses
from review.exits import Exit
from review.markdown import plain
from review.preview import Action, Preview

LABEL = "allow-data-loss"
_MOST_NAMED = 5
_VERBS = {Action.DELETE: "deletes", Action.REPLACE: "replaces", Action.UPDATE: "updates", Action.CREATE: "creates"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The sentence, the exit code, and the data that would be lost."""

    sentence: str
    code: Exit
    losses: tuple[Loss, ...]

    @property
    def headline(self) -> str:
        """The sentence as the first line of a comment."""
        return f"**{self.sentence}**"


def judge(preview: Preview, *, allow_data_loss: bool) -> Verdict:
    """Judge a preview by its data losses first, then its failures, then its number of changes."""
    lost = losses(preview)
    code = Exit.FAILED if preview.failed else Exit.OK
    if lost and not allow_data_loss:
        code = Exit.DATA_LOSS
    return Verdict(sentence=f"{_sentence(preview, lost)} (stack {plain(preview.stack)})", code=code, losses=lost)


def _sentence(preview: Preview, lost: tuple[Loss, ...]) -> str:
    if lost:
        named = [f"{_VERBS[loss.step.action]} {plain(loss.words)}" for loss in lost[:_MOST_NAMED]]
        more = [f"and {len(lost) - _MOST_NAMED} more with data"] if len(lost) > _MOST_NAMED else []
        return _capitalised("; ".join([*named, *more]))
    if preview.mandatory:
        return f"Violates mandatory policies: {len(preview.mandatory)}"
    if preview.failed:
        return "The preview failed"
    counts = [f"{_VERBS[action]} {count}" for action in Action if (count := preview.count(action))]
    return _capitalised(", ".join(counts)) if counts else "No changes"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
