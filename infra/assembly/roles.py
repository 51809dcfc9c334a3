"""The identities of the workloads that use the stores: in AWS a role each, with what it calls and no more."""

from collections.abc import Callable
from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions

import contracts
from infra.assembly.cloud import Cloud
from infra.assembly.identities import identity
from infra.assembly.store_kinds import BucketStore, DatabaseStore
from infra.aws import permissions
from infra.aws.statements import DatabaseAccount, Document, EncryptedBucket
from infra.connections import Identity

Buckets = dict[str, EncryptedBucket]
Policy = Callable[[Cloud, Buckets, DatabaseAccount | None], Document]


@dataclass(frozen=True, kw_only=True, slots=True)
class Roles:
    """Makes identities for the workloads of MLflow's namespace; where the stores are in the cluster they need none."""

    cloud: Cloud | None
    namespace: pulumi.Input[str]
    databases: DatabaseStore
    buckets: BucketStore
    opts: ResourceOptions

    def mlflow(self) -> Identity | None:
        """Return the tracking server's."""
        return self._identity(
            contracts.MLFLOW_SERVICE_ACCOUNT,
            lambda cloud, buckets, login: permissions.mlflow(cloud.account, buckets[contracts.ARTIFACTS_BUCKET], login),
        )

    def backup(self) -> Identity | None:
        """Return the backups'."""
        return self._identity(
            contracts.BACKUP_SERVICE_ACCOUNT,
            lambda cloud, buckets, login: permissions.backup(
                cloud.account, buckets[contracts.BACKUPS_BUCKET], buckets[contracts.ARTIFACTS_BUCKET], login
            ),
        )

    def migration(self) -> Identity | None:
        """Return the migration's, where the database asks for a token instead of a password."""
        if self.databases.login is None:
            return None
        return self._identity(
            contracts.MIGRATION_SERVICE_ACCOUNT,
            lambda cloud, _, login: permissions.migration(cloud.account, login) if login else {},
        )

    def trainer(self) -> Identity | None:
        """Return the trainer's."""
        return self._identity(
            contracts.TRAINER_SERVICE_ACCOUNT,
            lambda cloud, buckets, _: permissions.trainer(
                cloud.account, buckets[contracts.ARTIFACTS_BUCKET], contracts.MLFLOW_NAMESPACE
            ),
        )

    def signer(self) -> Identity:
        """Return the signer's, which Vault knows by its service account wherever the stores are."""
        made = self._identity(
            contracts.SIGNER_SERVICE_ACCOUNT,
            lambda cloud, buckets, _: permissions.signer(
                cloud.account, buckets[contracts.ARTIFACTS_BUCKET], buckets[contracts.RELEASES_BUCKET]
            ),
        )
        return made or identity(
            contracts.SIGNER_SERVICE_ACCOUNT,
            None,
            self.namespace,
            contracts.MLFLOW_NAMESPACE,
            contracts.SIGNER_SERVICE_ACCOUNT,
            {},
            self.opts,
        )

    def _identity(self, account: str, policy: Policy) -> Identity | None:
        cloud, key_arn = self.cloud, self.buckets.key_arn
        if cloud is None or key_arn is None:
            return None
        document = pulumi.Output.all(key_arn, self.databases.login).apply(
            lambda known: policy(cloud, self.buckets.encrypted(known[0]), known[1])
        )
        return identity(account, cloud, self.namespace, contracts.MLFLOW_NAMESPACE, account, document, self.opts)
