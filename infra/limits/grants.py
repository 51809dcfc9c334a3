"""Grants: the permissions of workloads in AWS. Each capability declares those of its workloads.

A grant applies if its store is in AWS. A workload gets an IAM role if at least one of its grants applies, and the
policy of the role is made from these grants.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import contracts
from infra.limits.account import Account
from infra.limits.statements import (
    DECRYPT,
    LIST,
    PULL,
    PUSH,
    AdminSecret,
    DatabaseUser,
    Document,
    EncryptedBucket,
    Statement,
    allow,
    document,
)


class Store(Enum):
    """A store in AWS that grants refer to."""

    BUCKETS = "buckets"
    # Tokens with which IAM roles log in to RDS.
    DATABASE_LOGIN = "database login"
    # The secret with the password of the RDS administrator.
    DATABASE_SECRET = "database secret"  # noqa: S105 - a name
    # Repositories to which pods push images of model versions.
    REPOSITORIES = "repositories"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """The stores of an environment in AWS, with the values that are known only after they are made.

    A store that the environment doesn't have in AWS is None.
    """

    account: Account
    buckets: Mapping[str, EncryptedBucket] | None = None
    login: DatabaseUser | None = None
    secret: AdminSecret | None = None

    def bucket(self, name: str) -> EncryptedBucket:
        """Return a bucket by the name that the workloads use for it.

        Raises:
            ValueError: The environment's buckets aren't in AWS.
        """
        if self.buckets is None:
            raise ValueError(f"a grant for the bucket {name} requires buckets in AWS.")
        return self.buckets[name]

    def bucket_arn(self, name: str) -> str:
        """Return the ARN of a bucket; raises as `bucket` does."""
        return self.account.bucket_arn(self.bucket(name).name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """A permission that applies if its store is in AWS; `statement` makes it a statement of the role's policy."""

    store: Store
    statement: Callable[[Stores], Statement]


def objects(sid: str, bucket: str, prefix: str, actions: tuple[str, ...]) -> Grant:
    """Grant `actions` on the objects of a bucket below the folder `prefix`, "" for all objects."""

    def statement(stores: Stores) -> Statement:
        return allow(sid, actions, f"{stores.bucket_arn(bucket)}/{_folder(prefix)}*", _own(stores))

    return Grant(store=Store.BUCKETS, statement=statement)


def listing(sid: str, bucket: str, prefixes: tuple[str, ...], actions: tuple[str, ...] = LIST) -> Grant:
    """Grant the listing of a bucket below the folders `prefixes`."""
    below = {"StringLike": {"s3:prefix": [f"{_folder(prefix)}*" for prefix in prefixes]}}

    def statement(stores: Stores) -> Statement:
        return allow(sid, actions, stores.bucket_arn(bucket), {**_own(stores), **below})

    return Grant(store=Store.BUCKETS, statement=statement)


def whole_bucket(sid: str, bucket: str, actions: tuple[str, ...]) -> Grant:
    """Grant `actions` on the bucket itself."""

    def statement(stores: Stores) -> Statement:
        return allow(sid, actions, stores.bucket_arn(bucket), _own(stores))

    return Grant(store=Store.BUCKETS, statement=statement)


def bucket_key(sid: str, bucket: str, actions: tuple[str, ...]) -> Grant:
    """Grant S3 the use of a bucket's KMS key on the workload's behalf, for that bucket only.

    With an S3 bucket key the encryption context is the bucket's ARN instead of the object's:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html#bucket-key-changes
    """

    def statement(stores: Stores) -> Statement:
        condition = {
            "kms:ViaService": f"s3.{stores.account.region}.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": stores.bucket_arn(bucket),
        }
        return allow(sid, actions, stores.bucket(bucket).key_arn, {"StringEquals": condition})

    return Grant(store=Store.BUCKETS, statement=statement)


def database_login() -> Grant:
    """Grant the login to MLflow's database with tokens of the role, for one user of one database server.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.IAMPolicy.html
    """

    def statement(stores: Stores) -> Statement:
        if stores.login is None:
            raise ValueError("a grant to log in to the database requires database.auth to be iam.")
        user = f"dbuser:{stores.login.resource_id}/{stores.login.user}"
        return allow("Database", ("rds-db:connect",), stores.account.arn("rds-db", user))

    return Grant(store=Store.DATABASE_LOGIN, statement=statement)


def read_admin_secret() -> Grant:
    """Grant the reading of the secret with the password of the RDS administrator."""

    def statement(stores: Stores) -> Statement:
        return allow("AdminSecret", ("secretsmanager:GetSecretValue",), _secret(stores).arn)

    return Grant(store=Store.DATABASE_SECRET, statement=statement)


def decrypt_admin_secret() -> Grant:
    """Grant Secrets Manager the decryption of that secret on the workload's behalf.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html#security-encryption-encryption-context
    """

    def statement(stores: Stores) -> Statement:
        secret = _secret(stores)
        condition = {
            "kms:ViaService": f"secretsmanager.{stores.account.region}.amazonaws.com",
            "kms:EncryptionContext:SecretARN": secret.arn,
        }
        return allow("AdminSecretKey", DECRYPT, secret.key_arn, {"StringEquals": condition})

    return Grant(store=Store.DATABASE_SECRET, statement=statement)


def registry_login() -> Grant:
    """Grant the login to the account's registry, which alone gives access to no repository."""

    def statement(stores: Stores) -> Statement:  # noqa: ARG001 - the action has no resource
        return allow("RegistryLogin", ("ecr:GetAuthorizationToken",), "*")

    return Grant(store=Store.REPOSITORIES, statement=statement)


def pull_images(sid: str, image: str) -> Grant:
    """Grant the reading of the images in the repository of `image`."""
    return _repository(sid, image, PULL)


def push_images(sid: str, image: str) -> Grant:
    """Grant the reading and pushing of images in the repository of `image`."""
    return _repository(sid, image, PUSH)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Pods with an identity: their service account, its namespace, and their grants in AWS.

    `vault_role` is the role of Vault that lets them sign, None if they don't.
    `setting` is the key and value of the setting to change if AWS refuses the name of the role, which contains the
    value; None stands for the environment's name.
    """

    service_account: str
    grants: tuple[Grant, ...]
    namespace: str = contracts.MLFLOW_NAMESPACE
    setting: tuple[str, str] | None = None
    vault_role: str | None = None

    @property
    def role_purpose(self) -> str:
        """The part of the role's name that identifies the workload in the environment."""
        return f"{self.namespace}-{self.service_account}"

    def granted(self, stores: frozenset[Store]) -> tuple[Grant, ...]:
        """Return the grants that apply in an environment with these stores in AWS."""
        return tuple(grant for grant in self.grants if grant.store in stores)


def policy(grants: Iterable[Grant], stores: Stores) -> Document:
    """Return the policy of a role with these grants.

    Raises:
        ValueError: A grant refers to a store that isn't in `stores`.
    """
    return document(*(grant.statement(stores) for grant in grants))


def _secret(stores: Stores) -> AdminSecret:
    if stores.secret is None:
        raise ValueError("a grant for the administrator's secret requires database.kind to be rds.")
    return stores.secret


def _repository(sid: str, image: str, actions: tuple[str, ...]) -> Grant:
    def statement(stores: Stores) -> Statement:
        account = stores.account
        return allow(sid, actions, account.arn("ecr", f"repository/{account.repository_name(image)}"))

    return Grant(store=Store.REPOSITORIES, statement=statement)


def _own(stores: Stores) -> dict[str, Any]:
    # The ARN of a bucket contains no account. Without this condition, another account that took the name of a deleted
    # bucket would receive our objects.
    return {"StringEquals": {"s3:ResourceAccount": stores.account.account_id}}


def _folder(prefix: str) -> str:
    return f"{prefix}/" if prefix else ""
