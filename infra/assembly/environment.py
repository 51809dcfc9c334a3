"""The parts of an environment, in the order in which they need one another."""

from pulumi import ResourceOptions

import contracts
from infra.assembly import outputs
from infra.assembly.cloud import Cloud
from infra.assembly.extras import image_repositories, storage_class
from infra.assembly.lifecycle import release_model
from infra.assembly.namespaces import closed_namespace
from infra.assembly.providers import Providers, cluster_provider
from infra.assembly.roles import Roles
from infra.assembly.signing import model_signing
from infra.assembly.stores import bucket_store, database_store
from infra.assembly.teams import team_spaces
from infra.assembly.tracking import tracking_server
from infra.cluster.drift import put_back_drift
from infra.settings import Settings


def environment(wanted: Settings, made: Providers, aws: Cloud | None) -> None:
    """Make what the settings want, and export its outputs: where its images are pushed to, and what runs them."""
    outputs.of_repositories(image_repositories(wanted, aws))
    if not wanted.only_repositories:
        _platform(wanted, made, aws)


def _platform(wanted: Settings, made: Providers, aws: Cloud | None) -> None:
    put_back_drift()
    cluster = ResourceOptions(providers=[cluster_provider(wanted.cluster, aws and aws.eks), made.random])
    namespace = closed_namespace(contracts.MLFLOW_NAMESPACE, wanted, cluster)
    storage_class(wanted, aws, cluster)

    databases = database_store(wanted, namespace, aws, cluster)
    buckets = bucket_store(wanted, namespace, aws, cluster)
    roles = Roles(cloud=aws, namespace=namespace, databases=databases, buckets=buckets, opts=cluster)
    server = tracking_server(wanted, namespace, databases, buckets, roles, cluster)
    signing = model_signing(wanted, made.external_vault, aws, namespace, roles.signer(), cluster)
    team_spaces(wanted, aws, buckets, cluster)
    outputs.of_platform(wanted, namespace, server, databases, buckets, signing)
    if wanted.release.enabled:
        outputs.of_release(wanted, release_model(wanted, namespace, server, buckets, signing, roles, cluster))
