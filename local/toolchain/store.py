"""The folder of built tools: which of them are there, and by which recipe each was built.

A tool's recipe is all that its bytes depend on that we decide; a tool of another recipe counts as missing.
"""

import hashlib
import os
import shutil
from pathlib import Path

from local import paths
from local.toolchain import golang
from local.toolchain.catalogue import module_of
from local.toolchain.model import Tool


def built(tool: Tool) -> Path | None:
    """Return the tool's executable, or None if it has to be built."""
    file = paths.bin_dir() / tool.name
    recorded = _record(tool)
    if not os.access(file, os.X_OK) or not recorded.exists() or recorded.read_text() != recipe(tool):
        return None
    return file


def recipe(tool: Tool) -> str:
    """Return a digest of the pinned versions, the flags, and the sources of a program of our own."""
    module = module_of(tool)
    digest = hashlib.sha256("\0".join([module.go_mod(), *golang.flags(module, tool)]).encode())
    if not tool.source or tool.package.startswith("aegis/"):
        for source in sorted((module.path / tool.built_as).glob("*.go")):
            digest.update(source.read_bytes())
    return digest.hexdigest()


def install(tool: Tool, executable: Path) -> Path:
    """Put the executable into the folder, in one step, and record its recipe."""
    file = paths.bin_dir() / tool.name
    _record(tool).parent.mkdir(parents=True, exist_ok=True)
    # The record goes first: were we killed in between, the tool would count as missing.
    _record(tool).unlink(missing_ok=True)
    fresh = file.with_name(f".{tool.name}.new")
    shutil.copyfile(executable, fresh)
    fresh.chmod(0o755)
    fresh.replace(file)
    _record(tool).write_text(recipe(tool))
    return file


def _record(tool: Tool) -> Path:
    return paths.bin_dir() / ".recipes" / tool.name
