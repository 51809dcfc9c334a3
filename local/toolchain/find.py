"""Finds tools: on PATH where the machine's own version will do, else among the built ones, else by building them."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from local import paths
from local.toolchain import store
from local.toolchain.build import build, removal_is_unfinished
from local.toolchain.catalogue import TOOLS, select
from local.toolchain.model import Accepted, Tool

_VERSION_SECONDS = 20


def ensure(*names: str, keep_sources: bool = False) -> dict[str, Path]:
    """Return the executable of each tool, after building those that are not there.

    Raises:
        LocalError: There is no such tool, or it can't be built here; tells what to install.
    """
    tools = select(names)
    lacking = _lacking(tools)
    if lacking or removal_is_unfinished():
        build(lacking, keep_sources=keep_sources)
    return {tool.name: locate(tool) or paths.bin_dir() / tool.name for tool in tools}


def missing(*names: str) -> list[str]:
    """Return the names of those of the tools that `ensure` would build."""
    return [tool.name for tool in _lacking(select(names))]


def about_seconds(names: Iterable[str]) -> int:
    """Return about how long building the tools takes on 2 cores, in seconds."""
    return sum(tool.about_seconds for tool in select(names))


def locate(tool: Tool) -> Path | None:
    """Return the tool's executable, or None if it has to be built."""
    return _of_the_machine(tool) or store.built(tool)


def _lacking(tools: Iterable[Tool]) -> list[Tool]:
    return [tool for tool in tools if locate(tool) is None]


def _of_the_machine(tool: Tool) -> Path | None:
    """Return the tool on PATH if its version will do; our own folder may be on PATH and is not meant."""
    ours = paths.bin_dir().resolve()
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = shutil.which(tool.name, path=os.pathsep.join(f for f in folders if f and Path(f).resolve() != ours))
    if found is None:
        return None
    file = Path(found)
    if tool.beside:
        leader = _of_the_machine(TOOLS[tool.beside])
        return file if leader is not None and leader.parent == file.parent else None
    return file if tool.accepted and _is_accepted(file, tool.accepted) else None


def _is_accepted(file: Path, accepted: Accepted) -> bool:
    try:
        told = subprocess.run(
            [file, *accepted.command], capture_output=True, text=True, check=False, timeout=_VERSION_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.search(r"(\d+)\.(\d+)\.\d+", told.stdout)
    return version is not None and accepted.at_least <= (int(version[1]), int(version[2])) < accepted.below
