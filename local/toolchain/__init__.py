"""The tools of the embedded platform: found on this machine, else built from pinned Go modules.

`ensure` is what the rest of `local` calls. What a tool is and how it is built is data, in `catalogue` and in the
`go.mod` of each folder here; Debian's packages, which can't be built from a Go module, are in `debian`.
"""

from local.toolchain.catalogue import MODULES, TOOLS
from local.toolchain.find import about_seconds, ensure, missing
from local.toolchain.model import Module, Tool

__all__ = ["MODULES", "TOOLS", "Module", "Tool", "about_seconds", "ensure", "missing"]
