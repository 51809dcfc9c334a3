"""What a container file reads: its files from the repository, and its binaries from the build context `bin`.

The container file is the one place that names them, so that an image's digest can't miss an input. Understood is what
this repository's container files use: COPY, and RUN with bind mounts.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError

_CONTINUED = re.compile(r"\\\n\s*")
_MOUNT = re.compile(r"--mount=type=bind,(\S+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """The instructions of a container file without its comments, and what they read."""

    instructions: tuple[str, ...]
    patterns: tuple[str, ...]
    binaries: tuple[str, ...]


def read(path: Path) -> Inputs:
    """Return what the container file `path` reads; `patterns` are globs below the repository's root."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    instructions = tuple(_CONTINUED.sub(" ", "\n".join(lines)).splitlines())
    patterns: list[str] = []
    binaries: list[str] = []
    for instruction in instructions:
        keyword, _, rest = instruction.partition(" ")
        if keyword == "COPY":
            source, files = _copied(rest)
            if source == "bin":
                binaries += files
            elif source is None:
                patterns += files
        elif keyword == "RUN":
            patterns += _mounted(rest)
        elif keyword == "ADD":
            raise LocalError(f"{path}: use COPY, since ADD may read what is not in the repository.")
    return Inputs(instructions=instructions, patterns=tuple(patterns), binaries=tuple(binaries))


def _copied(rest: str) -> tuple[str | None, list[str]]:
    """Return the stage or context that a COPY reads from, None for the repository, and what it reads there."""
    words = rest.split()
    source = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), None)
    return source, [word for word in words if not word.startswith("--")][:-1]


def _mounted(rest: str) -> list[str]:
    """Return the sources of the bind mounts of a RUN that come from the repository."""
    mounts = [dict(part.partition("=")[::2] for part in options.split(",")) for options in _MOUNT.findall(rest)]
    return [mount["source"] for mount in mounts if "from" not in mount]
