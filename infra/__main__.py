"""The Aegis stack: an MLflow platform, and a model that is trained, signed, verified and registered on it.

Wiring only: what this environment wants, the providers, the parts in the order in which they need one another, and the
outputs. Every resource has an explicit provider.
"""

import sys
from pathlib import Path

# Pulumi puts this folder on the path; its modules are imported from the repository's root, as everywhere else.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pulumi
from pulumi import ResourceOptions

import contracts
from infra import providers, settings
from infra.cluster.namespace import ClosedNamespace, ClosedNamespaceArgs
from infra.cluster.object_store import ROOT_ACCESS_KEY
from infra.lifecycle import release_model
from infra.signing import model_signing
from infra.stores import bucket_store, database_store
from infra.tracking import tracking_server

wanted = settings.load()
cluster = ResourceOptions(providers=[providers.cluster_provider(wanted.cluster), providers.random_provider()])

namespace = ClosedNamespace("mlflow", ClosedNamespaceArgs(name=contracts.MLFLOW_NAMESPACE), cluster).name
vault_namespace = ClosedNamespace("vault", ClosedNamespaceArgs(name=contracts.VAULT_NAMESPACE), cluster).name

databases = database_store(wanted, namespace, cluster)
buckets = bucket_store(wanted, namespace, cluster)
server = tracking_server(wanted, namespace, databases, buckets, cluster)
signing = model_signing(wanted, vault_namespace, namespace, cluster)

# Addresses, by the cluster IPs of the services: they answer on the cluster's nodes.
pulumi.export("mlflow_url", server.url)
pulumi.export("s3_url", buckets.url)
pulumi.export("s3_region", wanted.artifact_store.region)
pulumi.export("vault_url", signing.url)
pulumi.export("namespace", namespace)
pulumi.export("vault_namespace", vault_namespace)

# What an administrator needs to look behind the servers; secrets, like the values that they come from.
pulumi.export("s3_root_access_key", ROOT_ACCESS_KEY)
pulumi.export("s3_root_secret_key", buckets.root_secret_key)
pulumi.export("vault_root_token", signing.root_token)
pulumi.export("database_password", pulumi.Output.secret(databases.database.password))

if wanted.release.enabled:
    release = release_model(wanted, namespace, server, buckets, signing, cluster)
    pulumi.export("experiment", wanted.release.experiment)
    pulumi.export("model_name", wanted.release.model_name)
    # The Job whose pod ends with the result of the release as its message.
    pulumi.export("release_job", release.job.metadata.name)
