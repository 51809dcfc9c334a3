"""Pulumi's gRPC messages without the SDK around them, which takes half a second to import and serves programs only."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load_alone() -> None:
    """Make `pulumi.runtime.proto` importable by itself; nothing of `pulumi` may have been imported yet."""
    found = importlib.util.find_spec("pulumi")
    if found is None or not found.submodule_search_locations:
        # The import of the messages will tell what is missing.
        return
    root = Path(found.submodule_search_locations[0])
    for name, folder in (("pulumi", root), ("pulumi.runtime", root / "runtime")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
