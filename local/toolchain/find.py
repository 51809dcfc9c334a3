"""The search for tools: on PATH in an accepted version, then among the built ones. Missing tools are built."""

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
    """Return the executable of each tool, after building the missing ones.

    Raises:
        LocalError: A tool is unknown, or can't be built here; says what to install.
    """
    tools = select(names)
    unbuilt = _missing(tools)
    if unbuilt or removal_is_unfinished():
        build(unbuilt, keep_sources=keep_sources)
    return {tool.name: locate(tool) or paths.bin_dir() / tool.name for tool in tools}


def missing(*names: str) -> list[str]:
    """Return the names of the tools that `ensure` would build."""
    return [tool.name for tool in _missing(select(names))]


def about_seconds(names: Iterable[str]) -> int:
    """Return the approximate build time of the tools on 2 cores, in seconds."""
    return sum(tool.about_seconds for tool in select(names))


def locate(tool: Tool) -> Path | None:
    """Return the tool's executable, or None if it has to be built."""
    return _on_path(tool) or store.built(tool)


def _missing(tools: Iterable[Tool]) -> list[Tool]:
    return [tool for tool in tools if locate(tool) is None]


def _on_path(tool: Tool) -> Path | None:
    """Return the tool on PATH if its version is accepted. The folder of built tools doesn't count."""
    built_tools = paths.bin_dir().resolve()
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = shutil.which(tool.name, path=os.pathsep.join(f for f in folders if f and Path(f).resolve() != built_tools))
    if found is None:
        return None
    file = Path(found)
    if tool.beside:
        companion = _on_path(TOOLS[tool.beside])
        return file if companion is not None and companion.parent == file.parent else None
    return file if tool.accepted and _is_accepted(file, tool.accepted) else None


def _is_accepted(file: Path, accepted: Accepted) -> bool:
    try:
        answer = subprocess.run(
            [file, *accepted.command], capture_output=True, text=True, check=False, timeout=_VERSION_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.search(r"(\d+)\.(\d+)\.\d+", answer.stdout)
    return version is not None and accepted.at_least <= (int(version[1]), int(version[2])) < accepted.below
