"""The folder of built tools, with the recipe of each.

A recipe is a digest of the build inputs that this project controls. A tool with another recipe counts as missing.
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
    """Return a digest of the pinned versions, the flags, and the sources of our own programs."""
    module = module_of(tool)
    digest = hashlib.sha256("\0".join([module.go_mod(), *golang.flags(module, tool)]).encode())
    if not tool.source or tool.package.startswith("aegis/"):
        for source in sorted((module.path / tool.built_as).glob("*.go")):
            digest.update(source.read_bytes())
    return digest.hexdigest()


def install(tool: Tool, executable: Path) -> Path:
    """Install the executable into the folder atomically, and record its recipe."""
    file = paths.bin_dir() / tool.name
    _record(tool).parent.mkdir(parents=True, exist_ok=True)
    # Remove the record first. If the process is killed in between, the tool then counts as missing.
    _record(tool).unlink(missing_ok=True)
    temporary = file.with_name(f".{tool.name}.new")
    shutil.copyfile(executable, temporary)
    temporary.chmod(0o755)
    temporary.replace(file)
    _record(tool).write_text(recipe(tool))
    return file


def _record(tool: Tool) -> Path:
    return paths.bin_dir() / ".recipes" / tool.name
