"""The inputs of a container file: files in the repository, and binaries in the build context `bin`.

Only the container file names them, so that an image's digest can't miss an input. The parser supports what this
repository's container files use: COPY, and RUN with bind mounts.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError

_CONTINUED = re.compile(r"\\\n\s*")
_MOUNT = re.compile(r"--mount=type=bind,(\S+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """The instructions of a container file without comments, and the files that they read."""

    instructions: tuple[str, ...]
    patterns: tuple[str, ...]
    binaries: tuple[str, ...]


def read(path: Path) -> Inputs:
    """Return the inputs of the container file `path`. `patterns` are globs relative to the repository's root."""
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
            raise LocalError(f"{path}: use COPY instead of ADD, which may read files outside the repository.")
    return Inputs(instructions=instructions, patterns=tuple(patterns), binaries=tuple(binaries))


def _copied(rest: str) -> tuple[str | None, list[str]]:
    """Return the stage or context that a COPY reads from (None for the repository), and the files that it reads."""
    words = rest.split()
    source = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), None)
    return source, [word for word in words if not word.startswith("--")][:-1]


def _mounted(rest: str) -> list[str]:
    """Return the sources of a RUN's bind mounts that are in the repository."""
    mounts = [dict(part.partition("=")[::2] for part in options.split(",")) for options in _MOUNT.findall(rest)]
    return [mount["source"] for mount in mounts if "from" not in mount]
