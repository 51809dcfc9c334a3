"""The pieces that both forms of a recorded preview share: steps, diagnostics, policy events."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from review.preview import Violation
from review.steps import ACTIONS, Action, Difference, State, Step
from review.values import SECRET
from secret_forms import without_forms

Json = Mapping[str, Any]
_Kind = TypeVar("_Kind")
_STACK_TYPE = "pulumi:pulumi:Stack"
# The engine's last word on any failure: its reason, if it is not a policy's, is told before it.
_URN = re.compile(r"urn:pulumi:[\w.-]+::[^:]+::.+?::", re.ASCII)
_NO_REASON = "preview failed"
# As the engine itself writes colours, and as a terminal takes them.
_COLOUR = re.compile(r"<\{%[^%]*%\}>|\x1b\[[\d;]*m")


class FormError(Exception):
    """The text isn't what the engine writes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RawStep:
    """One step as it was written, with the states before and after, which the two forms call differently."""

    step: Json
    old: Json | None
    new: Json | None


def checked(value: object, kind: type[_Kind], what: str) -> _Kind:
    """Return `value` if it is of that kind, and refuse it otherwise."""
    if not isinstance(value, kind):
        raise FormError(f"{what} is {json.dumps(_without_texts(value, kind), ensure_ascii=False)[:40]}")
    return value


def _without_texts(value: object, instead_of: type) -> object:
    """Return a value without the texts that may be secrets: those in the place of a state, or in one."""
    if isinstance(value, str):
        return value if instead_of in (int, str) else "…"
    if isinstance(value, list):
        return [_without_texts(each, dict) for each in value]
    return {key: _without_texts(each, dict) for key, each in value.items()} if isinstance(value, dict) else value


def merged(raw_steps: Iterable[RawStep]) -> tuple[Step, ...]:
    """Return one step for each change of a resource.

    Events tell of a step as it begins and as it ends, and of a replacement as three: the one that tells most stays.
    """
    changes: dict[tuple[str, Action], Step] = {}
    for raw in raw_steps:
        action = _action(raw.step)
        step_urn = urn(raw.step)
        if action is None or step_urn.split("::")[2] == _STACK_TYPE or not _custom(raw):
            continue
        step = Step(
            action=action,
            urn=step_urn,
            old=_state(raw.old),
            new=_state(raw.new),
            differences=_differences(raw.step),
        )
        known = changes.get((step_urn, action))
        if known is None or _told(step) >= _told(known):
            changes[step_urn, action] = step
    return tuple(changes.values())


def urn(step: Json) -> str:
    """Return a step's URN, `urn:pulumi:STACK::PROJECT::TYPE::NAME`."""
    found = checked(step.get("urn"), str, "the urn of a step")
    if not _URN.match(found):
        raise FormError(f"the urn of a step is {found[:40]!r}")
    return found


def errors(diagnostics: Iterable[Json]) -> Iterator[str]:
    """Yield what the engine or the program complained about."""
    for each in diagnostics:
        message = _message(each).removeprefix("error: ")
        if each.get("severity") == "error" and message != _NO_REASON:
            yield message


def violation(event: Json) -> Violation:
    """Return the violation of a policy event."""
    return Violation(
        policy=str(event.get("policyName", "")),
        urn=str(event.get("resourceUrn", "")),
        message=_message(event),
        mandatory=event.get("enforcementLevel") == "mandatory",
    )


def _message(event: Json) -> str:
    # The engine blanks the secrets that it knows; a library's error may hold one that it doesn't.
    return without_forms(_COLOUR.sub("", str(event.get("message", ""))).strip(), SECRET)


def _told(step: Step) -> tuple[int, int]:
    return len(step.differences), len(step.old.inputs)


def _action(step: Json) -> Action | None:
    """Return what a step does; an operation that isn't known might destroy data, so it is refused."""
    op = checked(step.get("op"), str, "the op of a step")
    if op not in ACTIONS:
        raise FormError(f"the op of a step is {op[:40]!r}, and the known ones are {', '.join(ACTIONS)}")
    return ACTIONS[op]


def _custom(raw: RawStep) -> bool:
    """Whether a provider has the resource: a component only groups others. Without a state nobody can tell."""
    states = [checked(each, dict, "the state of a step") for each in (raw.old, raw.new) if each is not None]
    # Events leave `custom` out where it is false; such a resource has no provider either.
    return not states or any(each.get("custom", bool(each.get("provider", True))) for each in states)


def _state(state: Json | None) -> State:
    state = state or {}
    return State(
        inputs=checked(state.get("inputs") or {}, dict, "the inputs of a step"),
        outputs=checked(state.get("outputs") or {}, dict, "the outputs of a step"),
        protected=bool(state.get("protect")),
        retained=bool(state.get("retainOnDelete")),
    )


def _differences(step: Json) -> dict[str, Difference]:
    """Return what differs by path; a provider that tells no paths at least tells the properties."""
    detailed = checked(step.get("detailedDiff") or {}, dict, "the detailedDiff of a step")
    if detailed:
        return {path: _difference(checked(each, dict, "a detailedDiff")) for path, each in detailed.items()}
    replacing = checked(step.get("replaceReasons") or step.get("keys") or [], list, "the replaceReasons of a step")
    differing = checked(step.get("diffReasons") or step.get("diffs") or [], list, "the diffReasons of a step")
    return {str(path): Difference(replaces=path in replacing) for path in [*replacing, *differing]}


def _difference(detail: Json) -> Difference:
    # The document calls it kind, the events diffKind.
    kind = str(detail.get("kind") or detail.get("diffKind"))
    return Difference(replaces=kind.endswith("-replace"), of_inputs=bool(detail.get("inputDiff")))
