"""The part of the repository's requirements.txt that an image installs, so that other packages don't rebuild it."""

import re
from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def closure(direct: Iterable[str], lock: str) -> list[str]:
    """Return the lines `name==version` of `lock` for the `direct` requirements and their dependencies, sorted.

    `lock` is the output of `uv pip compile`, whose comments name the packages that need each package:
    https://docs.astral.sh/uv/pip/compile/.
    """
    pins: dict[str, str] = {}
    needs: dict[str, set[str]] = {}
    current = ""
    for line in lock.splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            current = _name(text)
            pins[current] = text
        elif current:
            needed_by = text.lstrip("#").strip().removeprefix("via").strip()
            needs.setdefault(needed_by, set()).add(current)
    pending = [_name(line) for line in direct if line.strip() and not line.lstrip().startswith("#")]
    reached: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending += needs.get(name, ())
    return sorted(pins[name] for name in reached if name in pins)


def _name(requirement: str) -> str:
    """Return the normalised name of a requirement, without extras and version (PEP 503)."""
    match = _NAME.match(requirement.strip())
    return re.sub(r"[-_.]+", "-", match.group()).lower() if match else ""
