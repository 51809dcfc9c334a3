"""The platform's capabilities, one folder each. No capability imports another.

`settings` is the capability's section of the stack file, with its checks, network flows and workloads. `make` creates
its components and exports its outputs. `grants` lists what its workloads may do in AWS, and `alerts` its alerts. The
other modules are its components, each named for what it creates, and the rules that only this capability needs.
"""

import pkgutil
from importlib import import_module


def import_all() -> None:
    """Import every capability's `make`, and with it the provider SDKs: most of the program's start-up time."""
    for capability in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{capability.name}.make")
