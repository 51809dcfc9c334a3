"""Grants: the permissions of workloads in AWS. Each capability declares those of its workloads.

A grant applies if its store is in AWS. A workload gets an IAM role if at least one of its grants applies, and the
policy of the role is made from these grants.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

import contracts
from infra.limits import statements
from infra.limits.account import Account
from infra.limits.statements import LIST, AdminSecret, DatabaseUser, Document, EncryptedBucket, Statement


class Store(Enum):
    """A store in AWS that grants refer to."""

    BUCKETS = "buckets"
    # Tokens with which IAM roles log in to RDS.
    DATABASE_LOGIN = "database login"
    # The secret with the password of the RDS administrator.
    DATABASE_SECRET = "database secret"  # noqa: S105 - a name


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


@dataclass(frozen=True, slots=True)
class Objects:
    """Permission for `actions` on the objects of a bucket below the folder `prefix`, "" for all objects."""

    sid: str
    bucket: str
    prefix: str
    actions: tuple[str, ...]
    store: Store = Store.BUCKETS

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        return statements.objects(self.sid, stores.account, stores.bucket(self.bucket), self.prefix, self.actions)


@dataclass(frozen=True, slots=True)
class Listing:
    """Permission to list a bucket below the folders `prefixes`."""

    sid: str
    bucket: str
    prefixes: tuple[str, ...]
    actions: tuple[str, ...] = LIST
    store: Store = Store.BUCKETS

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        return statements.listing(self.sid, stores.account, stores.bucket(self.bucket), self.prefixes, self.actions)


@dataclass(frozen=True, slots=True)
class WholeBucket:
    """Permission for `actions` on the bucket itself."""

    sid: str
    bucket: str
    actions: tuple[str, ...]
    store: Store = Store.BUCKETS

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        return statements.whole_bucket(self.sid, stores.account, stores.bucket(self.bucket), self.actions)


@dataclass(frozen=True, slots=True)
class BucketKey:
    """Permission for `actions` with the KMS key of a bucket, which S3 uses on the workload's behalf."""

    sid: str
    bucket: str
    actions: tuple[str, ...]
    store: Store = Store.BUCKETS

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        return statements.bucket_key(self.sid, stores.account, stores.bucket(self.bucket), self.actions)


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """Permission to log in to MLflow's database with tokens of the role."""

    sid: str = "Database"
    store: Store = Store.DATABASE_LOGIN

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        if stores.login is None:
            raise ValueError("a grant to log in to the database requires database.auth to be iam.")
        return statements.database_login(self.sid, stores.account, stores.login)


@dataclass(frozen=True, slots=True)
class ReadAdminSecret:
    """Permission to read the secret with the password of the RDS administrator."""

    sid: str = "AdminSecret"
    store: Store = Store.DATABASE_SECRET

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        return statements.secret(self.sid, _secret(stores).arn)


@dataclass(frozen=True, slots=True)
class DecryptAdminSecret:
    """Permission to decrypt that secret, through Secrets Manager."""

    sid: str = "AdminSecretKey"
    store: Store = Store.DATABASE_SECRET

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        return statements.secret_key(self.sid, stores.account, _secret(stores))


Grant = Objects | Listing | WholeBucket | BucketKey | DatabaseLogin | ReadAdminSecret | DecryptAdminSecret


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Pods with an identity: their service account, its namespace, and their grants in AWS.

    `setting` is the key and value of the setting to change if AWS refuses the name of the role, which contains the
    value; None stands for the environment's name.
    """

    service_account: str
    grants: tuple[Grant, ...]
    namespace: str = contracts.MLFLOW_NAMESPACE
    setting: tuple[str, str] | None = None

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
    return statements.document(*(grant.statement(stores) for grant in grants))


def _secret(stores: Stores) -> AdminSecret:
    if stores.secret is None:
        raise ValueError("a grant for the administrator's secret requires database.kind to be rds.")
    return stores.secret
