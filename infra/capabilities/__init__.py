"""The platform's capabilities: a folder holds all that one of them is, and none imports another.

`settings` is a capability's section of the stack file, with its own checks, flows and workloads; `make` turns it into
components; `grants` says what its workloads may do in AWS.
"""

import pkgutil
from importlib import import_module


def import_all() -> None:
    """Import what every capability is made with: most of the time of a start goes into the SDKs that this imports."""
    for capability in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{capability.name}.make")
