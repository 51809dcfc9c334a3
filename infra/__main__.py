"""The Aegis stack: an MLflow platform, and a model that is trained, signed, verified and registered on it.

Wiring only: what this environment wants, the providers, the parts in the order in which they need one another, and the
outputs. Every resource has an explicit provider.
"""

import sys
from pathlib import Path

# Pulumi puts this folder on the path; its modules are imported from the repository's root, as everywhere else.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi import ResourceOptions

import contracts
from infra import outputs, providers, settings
from infra.cloud import cloud
from infra.cluster.namespace import ClosedNamespace, ClosedNamespaceArgs
from infra.extras import image_repositories, storage_class
from infra.lifecycle import release_model
from infra.roles import Roles
from infra.signing import model_signing
from infra.stores import bucket_store, database_store
from infra.teams import team_spaces
from infra.tracking import tracking_server

wanted = settings.load()
aws = cloud(wanted)
cluster = ResourceOptions(
    providers=[providers.cluster_provider(wanted.cluster, aws and aws.kubeconfig), providers.random_provider()]
)

namespace = ClosedNamespace("mlflow", ClosedNamespaceArgs(name=contracts.MLFLOW_NAMESPACE), cluster).name
repositories = image_repositories(wanted, aws)
storage_class(wanted, aws, cluster)

databases = database_store(wanted, namespace, aws, cluster)
buckets = bucket_store(wanted, namespace, aws, cluster)
roles = Roles(cloud=aws, namespace=namespace, databases=databases, buckets=buckets, opts=cluster)
server = tracking_server(wanted, namespace, databases, buckets, roles, cluster)
signing = model_signing(wanted, aws, namespace, roles.signer(), cluster)
team_spaces(wanted, aws, buckets, cluster)
outputs.of_platform(wanted, namespace, server, databases, buckets, signing)
outputs.of_repositories(repositories)

if wanted.release.enabled:
    outputs.of_release(wanted, release_model(wanted, namespace, server, buckets, signing, roles, cluster))
