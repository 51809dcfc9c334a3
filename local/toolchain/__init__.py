"""The tools of the embedded platform, which are found on this machine or built from pinned Go modules.

The rest of `local` calls `ensure`. The tools and their builds are described in `catalogue` and in the `go.mod` of each
folder here. `debian` lists the Debian packages, which can't be built from a Go module.
"""

from local.toolchain.catalogue import MODULES, TOOLS
from local.toolchain.find import about_seconds, ensure, missing
from local.toolchain.model import Module, Tool

__all__ = ["MODULES", "TOOLS", "Module", "Tool", "about_seconds", "ensure", "missing"]
