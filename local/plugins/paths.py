"""Property paths as the engine writes them: `spec.template.containers[0].env`, `metadata.annotations["a.b/c"]`."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

Step = str | int
Path = tuple[Step, ...]

_STEP: Final = re.compile(r'\.?([^.\[\]"]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]')
_NEEDS_QUOTES: Final = frozenset('."[]')


def parse(text: str) -> Path:
    """Parse a path. A `*` step matches any one step.

    Raises:
        ValueError: the text isn't a property path.
    """
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            message = f"{text!r} isn't a property path: can't parse {text[position:]!r}"
            raise ValueError(message)
        name, quoted, index = match.groups()
        if index is not None:
            steps.append("*" if index == "*" else int(index))
        else:
            steps.append(name if quoted is None else quoted.replace('\\"', '"'))
        position = match.end()
    return tuple(steps)


def render(path: Iterable[Step]) -> str:
    """Format a path as the engine writes it."""
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
    """Return whether `path` matches the pattern or lies below it. A `*` in the pattern matches any step."""
    return len(pattern) <= len(path) and all(
        expected in ("*", step) for expected, step in zip(pattern, path, strict=False)
    )


def touches(pattern: Sequence[Step], path: Sequence[Step]) -> bool:
    """Return whether the two paths are the same or one contains the other."""
    shared = min(len(pattern), len(path))
    return covers(pattern[:shared], path[:shared])
