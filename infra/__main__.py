"""The Aegis stack: an MLflow platform, and a model that is trained, signed, verified and registered on it.

Wiring only: what this environment wants, where its images are pushed to, and the platform that runs them. Every
resource has an explicit provider.
"""

import sys
from pathlib import Path

# Pulumi puts this folder on the path; its modules are imported from the repository's root, as everywhere else.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra import outputs, settings
from infra.assembly import platform
from infra.cloud import cloud
from infra.extras import image_repositories

wanted = settings.load()
aws = cloud(wanted)
outputs.of_repositories(image_repositories(aws))
if not wanted.only_repositories:
    platform(wanted, aws)
