"""What each service account may do in AWS, as policy documents: just what the workload calls.

Pure functions: where a value comes from a resource, the caller waits for it. `database` is None where the database asks
for a password instead of a token of the role.
"""

from typing import Final

import contracts
from infra.aws.account import Account
from infra.aws.service_account import label
from infra.aws.statements import (
    DECRYPT,
    DELETE,
    ENCRYPT,
    LIST,
    LIST_VERSIONS,
    READ,
    READ_VERSIONS,
    WRITE,
    DatabaseAccount,
    Document,
    EncryptedBucket,
    Statement,
    bucket_key,
    database_login,
    document,
    listing,
    objects,
    secret,
    secret_key,
    whole_bucket,
)

# The folder of the backups bucket that `workloads.backup` writes to unless it is told another one.
_BACKUPS_PREFIX: Final = "mlflow"


def mlflow(account: Account, artifacts: EncryptedBucket, database: DatabaseAccount | None) -> Document:
    """Return the policy of the tracking server: its folder of the artifacts, and its database."""
    parts = ("s3:ListMultipartUploadParts",)
    return document(
        objects("Artifacts", account, artifacts, contracts.MLFLOW_PREFIX, (*READ, *WRITE, *DELETE, *parts)),
        listing("ArtifactsList", account, artifacts, (contracts.MLFLOW_PREFIX,)),
        bucket_key("ArtifactsKey", account, artifacts, ENCRYPT),
        *_database(account, database),
    )


def backup(
    account: Account, backups: EncryptedBucket, artifacts: EncryptedBucket, database: DatabaseAccount | None
) -> Document:
    """Return the policy of the backups: create, list, verify, restore and prune; and a look at the artifacts.

    Pruning hides a backup: its versions stay for the bucket's life cycle, whoever takes over the pod.
    """
    uploads = ("s3:ListBucketMultipartUploads",)
    return document(
        # A verification reads the version that it has pinned.
        objects("Backups", account, backups, _BACKUPS_PREFIX, (*READ_VERSIONS, *WRITE, *DELETE)),
        listing("BackupsList", account, backups, (_BACKUPS_PREFIX,)),
        # S3 knows no prefix for this action; it shows the keys of unfinished uploads, and no data.
        whole_bucket("BackupsUploads", account, backups, uploads),
        bucket_key("BackupsKey", account, backups, ENCRYPT),
        objects("Artifacts", account, artifacts, contracts.MLFLOW_PREFIX, READ_VERSIONS),
        listing("ArtifactsList", account, artifacts, (contracts.MLFLOW_PREFIX,), LIST_VERSIONS),
        bucket_key("ArtifactsKey", account, artifacts, DECRYPT),
        *_database(account, database),
    )


def migration(account: Account, database: DatabaseAccount) -> Document:
    """Return the policy of the schema's migration: the database, and nothing else."""
    return document(*_database(account, database))


def trainer(account: Account, artifacts: EncryptedBucket, namespace: str) -> Document:
    """Return the policy of the trainers of `namespace`: all datasets, and the checkpoints of that namespace.

    Raises:
        ValueError: `namespace` is no name of a namespace.
    """
    checkpoints = f"{contracts.CHECKPOINTS_PREFIX}/{label('namespace', namespace)}"
    return document(
        objects("Datasets", account, artifacts, contracts.DATASETS_PREFIX, READ),
        objects("Checkpoints", account, artifacts, checkpoints, (*READ, *WRITE)),
        listing("List", account, artifacts, (contracts.DATASETS_PREFIX, checkpoints)),
        bucket_key("Key", account, artifacts, ENCRYPT),
    )


def signer(account: Account, artifacts: EncryptedBucket, releases: EncryptedBucket) -> Document:
    """Return the policy of a release: the model's artifacts to read, and the releases to add to; nothing is deleted."""
    return document(
        objects("Artifacts", account, artifacts, contracts.MLFLOW_PREFIX, READ),
        listing("ArtifactsList", account, artifacts, (contracts.MLFLOW_PREFIX,)),
        bucket_key("ArtifactsKey", account, artifacts, DECRYPT),
        objects("Releases", account, releases, "", (*READ, *WRITE)),
        # Of the whole bucket: S3 answers "not found" instead of "forbidden" to HEAD requests that name no prefix.
        whole_bucket("ReleasesList", account, releases, LIST),
        bucket_key("ReleasesKey", account, releases, ENCRYPT),
    )


def database_setup(account: Account, admin_secret_arn: str, key_arn: str) -> Document:
    """Return the policy of the Job that makes MLflow's role and database: the administrator's password."""
    return document(
        secret("AdminSecret", admin_secret_arn), secret_key("AdminSecretKey", account, key_arn, admin_secret_arn)
    )


def _database(account: Account, database: DatabaseAccount | None) -> tuple[Statement, ...]:
    return () if database is None else (database_login("Database", account, database),)
