"""The parts that both forms of a recorded preview share: steps, diagnostics and policy events."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import engine_events
from engine_events import FormError, checked
from review.preview import ACTIONS, Action, Difference, State, Step, Violation
from review.values import SECRET
from secret_forms import without_forms

Json = Mapping[str, Any]
_URN = re.compile(r"urn:pulumi:[\w.-]+::[^:]+::.+?::", re.ASCII)
# The engine's operations have such names. Any other text may be a secret in the wrong place.
_OPERATION = re.compile(r"[a-z-]{1,40}")
# The engine's last error in any failed preview. Unless a policy is the reason, an earlier error tells it.
_NO_REASON = "preview failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class RawStep:
    """One step as the engine wrote it, with the states before and after it, which the two forms name differently."""

    step: Json
    old: Json | None
    new: Json | None


def merged(raw_steps: Iterable[RawStep]) -> tuple[Step, ...]:
    """Return one step for each change of a resource.

    Events report a step when it begins and when it ends, and a replacement as three steps. The most detailed one stays.
    """
    changes: dict[tuple[str, Action], Step] = {}
    for raw in raw_steps:
        action = _action(raw.step)
        step_urn = urn(raw.step)
        if action is None or step_urn.split("::")[2] == engine_events.STACK_TYPE or not _custom(raw):
            continue
        step = Step(
            action=action,
            urn=step_urn,
            old=_state(raw.old),
            new=_state(raw.new),
            differences=_differences(raw.step),
        )
        earlier = changes.get((step_urn, action))
        if earlier is None or _detail(step) >= _detail(earlier):
            changes[step_urn, action] = step
    return tuple(changes.values())


def urn(step: Json) -> str:
    """Return a step's URN, `urn:pulumi:STACK::PROJECT::TYPE::NAME`."""
    found = checked(step.get("urn"), str, "the urn of a step")
    if not _URN.match(found):
        raise FormError("the urn of a step must be urn:pulumi:STACK::PROJECT::TYPE::NAME, got another text")
    return found


def errors(diagnostics: Iterable[Json]) -> Iterator[str]:
    """Yield the errors of the engine and of the program."""
    for diagnostic in diagnostics:
        message = _message(diagnostic).removeprefix("error: ")
        if diagnostic.get("severity") == "error" and message != _NO_REASON:
            yield message


def violation(event: Json) -> Violation:
    """Return the violation that a policy event reports."""
    return Violation(
        policy=str(event.get("policyName", "")),
        urn=str(event.get("resourceUrn", "")),
        message=_message(event),
        mandatory=event.get("enforcementLevel") == "mandatory",
    )


def _message(event: Json) -> str:
    # The engine hides the secrets that it knows. The error of a library may hold another one.
    return without_forms(engine_events.message(event).strip(), SECRET)


def _detail(step: Step) -> tuple[int, int]:
    return len(step.differences), len(step.old.inputs)


def _action(step: Json) -> Action | None:
    """Return the action of a step. An unknown operation is refused, because it might destroy data."""
    op = checked(step.get("op"), str, "the op of a step")
    if op not in ACTIONS:
        shown = op if _OPERATION.fullmatch(op) else "another text"
        raise FormError(f"the op of a step must be one of {', '.join(ACTIONS)}, got {shown}")
    return ACTIONS[op]


def _custom(raw: RawStep) -> bool:
    """Return whether a provider has the resource. A component doesn't count: it only groups others.

    A resource without a state counts.
    """
    states = [checked(state, dict, "the state of a step") for state in (raw.old, raw.new) if state is not None]
    # Events leave out a `custom` that is false. Such a resource has no provider either.
    return not states or any(state.get("custom", bool(state.get("provider", True))) for state in states)


def _state(state: Json | None) -> State:
    state = state or {}
    return State(
        inputs=checked(state.get("inputs") or {}, dict, "the inputs of a step"),
        outputs=checked(state.get("outputs") or {}, dict, "the outputs of a step"),
        protected=bool(state.get("protect")),
        retained=bool(state.get("retainOnDelete")),
    )


def _differences(step: Json) -> dict[str, Difference]:
    """Return the differences of a step by property path, or by property if the provider gives no paths."""
    detailed = checked(step.get("detailedDiff") or {}, dict, "the detailedDiff of a step")
    if detailed:
        return {path: _difference(checked(detail, dict, "a detailedDiff")) for path, detail in detailed.items()}
    replacing = checked(step.get("replaceReasons") or step.get("keys") or [], list, "the replaceReasons of a step")
    differing = checked(step.get("diffReasons") or step.get("diffs") or [], list, "the diffReasons of a step")
    return {str(path): Difference(replaces=path in replacing) for path in [*replacing, *differing]}


def _difference(detail: Json) -> Difference:
    # The document says kind, the events say diffKind.
    kind = str(detail.get("kind") or detail.get("diffKind"))
    return Difference(replaces=kind.endswith("-replace"), of_inputs=bool(detail.get("inputDiff")))
