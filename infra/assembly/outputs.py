"""The outputs of a stack: addresses, what an administrator needs, and what the release ended with."""

from collections.abc import Mapping

import pulumi

import contracts
from infra.assembly.localhost import address
from infra.assembly.signing import Signing
from infra.assembly.store_kinds import BucketStore, DatabaseStore
from infra.cluster.mlflow import Mlflow
from infra.cluster.object_store import ROOT_ACCESS_KEY
from infra.jobs.release import Release
from infra.settings import Settings


def of_platform(
    wanted: Settings,
    namespace: pulumi.Input[str],
    server: Mlflow,
    databases: DatabaseStore,
    buckets: BucketStore,
    signing: Signing,
) -> None:
    """Export where the servers are: on this machine, or by the cluster IPs of their Services."""
    pulumi.export("namespace", namespace)
    pulumi.export("mlflow_url", address(wanted, "mlflow", server.url))
    pulumi.export("artifacts", buckets.buckets[contracts.ARTIFACTS_BUCKET].address)
    pulumi.export("s3_region", buckets.buckets[contracts.ARTIFACTS_BUCKET].region)
    pulumi.export("vault_url", signing.url)
    _if_there("s3_url", buckets.url)
    _if_there("s3_console_url", buckets.console_url)
    _if_there("vault_namespace", signing.namespace)
    # What an administrator needs to look behind the servers; secrets, like the values that they come from.
    _if_there("vault_root_token", signing.root_token)
    if buckets.root_secret_key is not None:
        pulumi.export("s3_root_access_key", ROOT_ACCESS_KEY)
        pulumi.export("s3_root_secret_key", buckets.root_secret_key)
    if databases.database.password is not None:
        pulumi.export("database_password", pulumi.Output.secret(databases.database.password))
    if wanted.database.kind == "rds":
        pulumi.export("database_host", databases.database.host)
    elif wanted.localhost is not None:
        pulumi.export("database_host", "localhost")
        pulumi.export("database_port", wanted.localhost.postgres)
    # What the workloads' commands need beside the addresses, by hand as in the cluster.
    pulumi.export("backups_bucket", buckets.buckets[contracts.BACKUPS_BUCKET].bucket)
    pulumi.export("releases_bucket", buckets.buckets[contracts.RELEASES_BUCKET].bucket)
    pulumi.export("vault_transit_mount", signing.vault.transit_mount)
    pulumi.export("vault_signing_key", wanted.vault.signing_key)


def of_repositories(urls: Mapping[str, pulumi.Input[str]]) -> None:
    """Export where images are pushed to."""
    if urls:
        pulumi.export("image_repositories", dict(urls))


def of_release(wanted: Settings, release: Release) -> None:
    """Export what was released, and the Job whose pod ends with the result of the release as its message."""
    pulumi.export("experiment", wanted.release.experiment)
    pulumi.export("model_name", wanted.release.model_name)
    pulumi.export("release_job", release.job.metadata.name)


def _if_there(name: str, value: pulumi.Input[str] | None) -> None:
    if value is not None:
        pulumi.export(name, value)
