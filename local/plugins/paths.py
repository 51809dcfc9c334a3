"""Property paths as the engine writes them: `spec.template.containers[0].env`, `metadata.annotations["a.b/c"]`."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

Step = str | int
Path = tuple[Step, ...]

_STEP: Final = re.compile(r'\.?([^.\[\]"]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]')
_NEEDS_QUOTES: Final = frozenset('."[]')


def parse(text: str) -> Path:
    """Read a path; a `*` step matches any one step.

    Raises:
        ValueError: the text is no property path.
    """
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            message = f"{text!r} is no property path: can't read it from {text[position:]!r}"
            raise ValueError(message)
        name, quoted, index = match.groups()
        if index is not None:
            steps.append("*" if index == "*" else int(index))
        else:
            steps.append(name if quoted is None else quoted.replace('\\"', '"'))
        position = match.end()
    return tuple(steps)


def render(path: Iterable[Step]) -> str:
    """Write a path in the engine's form."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _NEEDS_QUOTES & set(step):
            text += '["' + step.replace('"', '\\"') + '"]'
        else:
            text += f".{step}" if text else step
    return text


def covers(pattern: Sequence[Step], path: Sequence[Step]) -> bool:
    """Whether `path` is the pattern's place or lies below it; a `*` of the pattern matches any step."""
    return len(pattern) <= len(path) and all(want in ("*", have) for want, have in zip(pattern, path, strict=False))


def touches(pattern: Sequence[Step], path: Sequence[Step]) -> bool:
    """Whether one of the two places lies in the other, or they are the same."""
    shared = min(len(pattern), len(path))
    return covers(pattern[:shared], path[:shared])
