"""What the rest of a stack sees of its two stores, whoever runs them."""

from dataclasses import dataclass

import pulumi

from infra.aws.statements import DatabaseAccount, EncryptedBucket
from infra.cluster.peer import Peer
from infra.connections import BucketAccess, Database


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseStore:
    """MLflow's database, the resource to wait for, and where pods reach it.

    `login` is the account that AWS roles may log in as, None where it has a password.
    """

    database: Database
    ready: pulumi.Resource
    peer: Peer
    login: pulumi.Output[DatabaseAccount] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketStore:
    """The platform's buckets by what they are for, the resource to wait for, and where pods reach them.

    `key_arn` is the KMS key of buckets in AWS; `url` is where anything but AWS itself serves them.
    `console_url` and `root_secret_key` are of an S3 server in the cluster: its web page, its administrator's key.
    """

    buckets: dict[str, BucketAccess]
    ready: pulumi.Resource
    peers: tuple[Peer, ...]
    key_arn: pulumi.Output[str] | None = None
    url: pulumi.Input[str] | None = None
    console_url: str | None = None
    root_secret_key: pulumi.Output[str] | None = None

    def encrypted(self, key_arn: str) -> dict[str, EncryptedBucket]:
        """Return what permissions are about: the buckets with the key that they share, known by its ARN."""
        return {purpose: EncryptedBucket(name=each.bucket, key_arn=key_arn) for purpose, each in self.buckets.items()}
