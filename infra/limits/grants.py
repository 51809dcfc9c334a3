"""Grants: what each workload may do in AWS, declared beside the workload and made into its role's policy here.

A grant applies where the environment has what it is about in AWS. A workload gets a role as soon as one applies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import contracts
from infra.limits import statements
from infra.limits.account import Account
from infra.limits.statements import LIST, AdminSecret, DatabaseUser, Document, EncryptedBucket, Statement


class Store(Enum):
    """Something in AWS that grants are about."""

    BUCKETS = "buckets"
    # The tokens with which roles log in to RDS.
    DATABASE_LOGIN = "database login"
    # The secret with the password of RDS's administrator.
    DATABASE_SECRET = "database secret"  # noqa: S105 - a name


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """The stores of an environment in AWS, with what is known only once they are made; None is what it doesn't have."""

    account: Account
    buckets: Mapping[str, EncryptedBucket] | None = None
    login: DatabaseUser | None = None
    secret: AdminSecret | None = None

    def bucket(self, name: str) -> EncryptedBucket:
        """Return a bucket by the name under which the workloads know it.

        Raises:
            ValueError: The environment's buckets aren't in AWS.
        """
        if self.buckets is None:
            raise ValueError(f"a grant on the bucket {name} needs buckets in AWS.")
        return self.buckets[name]


@dataclass(frozen=True, slots=True)
class Objects:
    """`actions` on the objects of a bucket below the folder `prefix`, "" for all of them."""

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
    """Listing a bucket below the folders `prefixes`."""

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
    """`actions` on a bucket itself."""

    sid: str
    bucket: str
    actions: tuple[str, ...]
    store: Store = Store.BUCKETS

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        return statements.whole_bucket(self.sid, stores.account, stores.bucket(self.bucket), self.actions)


@dataclass(frozen=True, slots=True)
class BucketKey:
    """`actions` of S3 with the KMS key of a bucket, on the workload's behalf."""

    sid: str
    bucket: str
    actions: tuple[str, ...]
    store: Store = Store.BUCKETS

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        return statements.bucket_key(self.sid, stores.account, stores.bucket(self.bucket), self.actions)


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """Logging in to MLflow's database with tokens of the role."""

    sid: str = "Database"
    store: Store = Store.DATABASE_LOGIN

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        if stores.login is None:
            raise ValueError("a grant to log in needs a database with database.auth iam.")
        return statements.database_login(self.sid, stores.account, stores.login)


@dataclass(frozen=True, slots=True)
class ReadAdminSecret:
    """Reading the password of RDS's administrator."""

    sid: str = "AdminSecret"
    store: Store = Store.DATABASE_SECRET

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        return statements.secret(self.sid, _secret(stores).arn)


@dataclass(frozen=True, slots=True)
class DecryptAdminSecret:
    """Decrypting the secret of RDS's administrator through Secrets Manager."""

    sid: str = "AdminSecretKey"
    store: Store = Store.DATABASE_SECRET

    def statement(self, stores: Stores) -> Statement:
        """Return the statement of the role's policy."""
        return statements.secret_key(self.sid, stores.account, _secret(stores))


Grant = Objects | Listing | WholeBucket | BucketKey | DatabaseLogin | ReadAdminSecret | DecryptAdminSecret


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Pods with an identity: the name of their service account, its namespace, and what it may do in AWS.

    `setting` is the key and the value of the setting in the name of its role, beside the environment's.
    """

    service_account: str
    grants: tuple[Grant, ...]
    namespace: str = contracts.MLFLOW_NAMESPACE
    setting: tuple[str, str] | None = None

    @property
    def role_purpose(self) -> str:
        """The part of its role's name that tells it from the other roles of the environment."""
        return f"{self.namespace}-{self.service_account}"

    def granted(self, stores: frozenset[Store]) -> tuple[Grant, ...]:
        """Return the grants that apply in an environment that has these stores in AWS."""
        return tuple(grant for grant in self.grants if grant.store in stores)

    def policy(self, stores: Stores) -> Document:
        """Return the policy of its role."""
        there = {
            Store.BUCKETS: stores.buckets,
            Store.DATABASE_LOGIN: stores.login,
            Store.DATABASE_SECRET: stores.secret,
        }
        granted = self.granted(frozenset(store for store, value in there.items() if value is not None))
        return statements.document(*(grant.statement(stores) for grant in granted))


def _secret(stores: Stores) -> AdminSecret:
    if stores.secret is None:
        raise ValueError("a grant on the administrator's secret needs a database with kind rds.")
    return stores.secret
