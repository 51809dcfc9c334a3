"""Pulumi's gRPC messages without the rest of the SDK, which only programs need and which takes 0.5 s to import."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load_alone() -> None:
    """Make `pulumi.runtime.proto` importable on its own. Call this before any import of `pulumi`."""
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        # The later import of the messages reports what is missing.
        return
    root = Path(spec.submodule_search_locations[0])
    for name, folder in (("pulumi", root), ("pulumi.runtime", root / "runtime")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
