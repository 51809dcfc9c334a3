"""The Aegis stack: an MLflow platform, and a model that is trained, signed, verified and registered on it.

This file is the platform's table of contents: its capabilities, in the order in which they depend on one another. Every
resource has an explicit provider.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Pulumi puts only this folder on the path, but modules are imported from the repository's root, as everywhere else.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.startup import quick_start

with quick_start():
    from infra.capabilities import import_all
    from infra.providers import first_providers, look_up_cloud
    from infra.settings.load import load

    settings = load()
    providers = first_providers(settings)
    # Import the SDKs while AWS answers the look-ups, which take about as long.
    with ThreadPoolExecutor(max_workers=1) as executor:
        imports = executor.submit(import_all)
        cloud = look_up_cloud(settings, providers)
    imports.result()

    from infra.capabilities.artifacts.make import make_artifacts
    from infra.capabilities.backup.make import make_backup
    from infra.capabilities.cluster.make import make_cluster
    from infra.capabilities.database.make import make_database
    from infra.capabilities.gateway.make import make_gateway
    from infra.capabilities.images.make import make_images
    from infra.capabilities.monitoring.make import make_monitoring
    from infra.capabilities.promotion.make import make_promotion
    from infra.capabilities.release.make import make_release
    from infra.capabilities.serving.make import make_serving
    from infra.capabilities.signing.make import make_signing
    from infra.capabilities.teams.make import make_teams
    from infra.capabilities.tracking.make import make_tracking
    from infra.capabilities.training.make import make_training
    from infra.context import open_context

repositories = make_images(settings, cloud)
# Until the first images are pushed, a stack has only their repositories.
if not settings.only_repositories:
    context = open_context(settings, cloud, providers)
    make_cluster(context)
    database = make_database(context)
    artifacts = make_artifacts(context)
    signing = make_signing(context, database, artifacts)
    tracking = make_tracking(context, database, artifacts, signing)
    make_backup(context, database, artifacts)
    teams = make_teams(context, signing)
    training = make_training(context, database, artifacts, tracking, teams)
    make_release(context, artifacts, tracking, signing, training)
    make_promotion(context, artifacts, tracking, signing)
    serving = make_serving(context, artifacts, tracking, signing, repositories)
    make_gateway(context, tracking, signing)
    make_monitoring(context, database, artifacts, signing, serving)
