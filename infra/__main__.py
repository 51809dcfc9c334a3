"""The Aegis stack: an MLflow platform, and a model that is trained, signed, verified and registered on it.

Wiring only: what this environment wants, where it is made, and its parts. Every resource has an explicit provider.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

# Pulumi puts this folder on the path; its modules are imported from the repository's root, as everywhere else.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.startup import quick_start

with quick_start():
    from infra import settings
    from infra.assembly.cloud import cloud
    from infra.assembly.providers import first_providers

    wanted = settings.load()
    made = first_providers(wanted)
    # The parts' SDKs take as long to import as the look-ups to be answered.
    with ThreadPoolExecutor(max_workers=1) as meanwhile:
        parts = meanwhile.submit(import_module, "infra.assembly.environment")
        aws = cloud(wanted, made)
    parts.result()
    from infra.assembly.environment import environment

environment(wanted, made, aws)
