"""The calls that each role allows and denies, decided by an IAM simulator with a boundary and the resources' policies.

The denied calls are those that an attacker would try first after taking over a pod. An administrator is allowed each of
them, which shows that the role's policy denies the call, and not a mistake in the test.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from infra.aws.bucket_policy import encrypted_bucket
from infra.aws.keys import key_policy
from infra.limits.statements import Document, EncryptedBucket
from tests.support.aws_roles import (
    ACCOUNT,
    ACCOUNT_ID,
    ADMIN_SECRET,
    ARTIFACTS,
    BACKUPS,
    BUCKET_KEY,
    DATABASE,
    DATABASE_KEY,
    OTHER_ACCOUNT_ID,
    OTHER_KEY,
    POLICIES,
    REGION,
    RELEASES,
    TEAM,
)
from tests.support.iam import Request, allowed


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request to AWS; `policy` is the resource's policy and `account` the AWS account of the resource."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)
    policy: Document | None = None
    account: str = ACCOUNT_ID

    def __str__(self) -> str:
        return " ".join((self.action, self.resource, *(f"{key}={value}" for key, value in self.context.items())))

    def by(self, *policies: Document, boundary: Document | None = None) -> Request:
        return Request(
            principal=ACCOUNT.global_arn("iam", "role/pod"),
            action=self.action,
            resource=self.resource,
            account=self.account,
            context=self.context,
            policies=policies,
            boundary=boundary,
            resource_policy=self.policy,
        )


def allow(*actions: str) -> Document:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


ADMINISTRATOR = allow("*")
# The most that an account's owner allows the roles of a stack.
BOUNDARY = allow("s3:*", "kms:*", "secretsmanager:*", "rds-db:connect", "ecr:*")
NARROW_BOUNDARY = allow("s3:ListBucket")


def on_bucket(action: str, bucket: EncryptedBucket, key: str | None = None, **context: str) -> Call:
    arn = ACCOUNT.bucket_arn(bucket.name)
    return Call(
        action=f"s3:{action}",
        resource=arn if key is None else f"{arn}/{key}",
        context={"s3:ResourceAccount": ACCOUNT_ID, "aws:SecureTransport": "true", "s3:TlsVersion": "1.3", **context},
        policy=encrypted_bucket(arn, bucket.key_arn),
    )


def on_objects(actions: tuple[str, ...], bucket: EncryptedBucket, key: str) -> list[Call]:
    return [on_bucket(action, bucket, key) for action in actions]


def listed(bucket: EncryptedBucket, prefix: str | None, action: str = "ListBucket") -> Call:
    return on_bucket(action, bucket, **({} if prefix is None else {"s3:prefix": prefix}))


def on_key(action: str, key: str, context: Mapping[str, str]) -> Call:
    return Call(action=f"kms:{action}", resource=key, context=context, policy=key_policy(ACCOUNT))


def through_s3(action: str, bucket: EncryptedBucket, key: str = BUCKET_KEY, service: str = "s3") -> Call:
    context = {
        "kms:ViaService": f"{service}.{REGION}.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": ACCOUNT.bucket_arn(bucket.name),
    }
    return on_key(action, key, context)


def through_secrets_manager(secret: str, key: str = DATABASE_KEY) -> Call:
    service = f"secretsmanager.{REGION}.amazonaws.com"
    return on_key("Decrypt", key, {"kms:ViaService": service, "kms:EncryptionContext:SecretARN": secret})


def log_in(user: str, resource_id: str = DATABASE.resource_id) -> Call:
    return Call(action="rds-db:connect", resource=ACCOUNT.arn("rds-db", f"dbuser:{resource_id}/{user}"))


def read_secret(secret: str) -> Call:
    return Call(action="secretsmanager:GetSecretValue", resource=secret)


def on_repository(action: str, image: str) -> Call:
    return Call(action=f"ecr:{action}", resource=ACCOUNT.arn("ecr", f"repository/aegis-prod/{image}"))


def squatted(call: Call) -> Call:
    """Return the call after the bucket was deleted, and another account took its name and opened it to everyone."""
    anyone: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [call.resource]}
    return replace(
        call,
        account=OTHER_ACCOUNT_ID,
        context={**call.context, "s3:ResourceAccount": OTHER_ACCOUNT_ID},
        policy={"Version": "2012-10-17", "Statement": [anyone]},
    )


WRITE = ("PutObject", "AbortMultipartUpload")
ENCRYPT = ("Decrypt", "GenerateDataKey")
PULL = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
PUSH = ("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage")

ALLOWED: dict[str, list[Call]] = {
    "mlflow": [
        *on_objects(("GetObject", *WRITE, "DeleteObject", "ListMultipartUploadParts"), ARTIFACTS, "mlflow/1/model.pt"),
        listed(ARTIFACTS, "mlflow/1/run/artifacts/"),
        listed(ARTIFACTS, "mlflow/"),
        *(through_s3(action, ARTIFACTS) for action in ENCRYPT),
        log_in("mlflow"),
    ],
    "backup": [
        *on_objects(("GetObject", "GetObjectVersion", *WRITE, "DeleteObject"), BACKUPS, "mlflow/1/database.dump"),
        listed(BACKUPS, "mlflow/"),
        on_bucket("ListBucketMultipartUploads", BACKUPS),
        *(through_s3(action, BACKUPS) for action in ENCRYPT),
        *on_objects(("GetObject", "GetObjectVersion"), ARTIFACTS, "mlflow/1/model.pt"),
        listed(ARTIFACTS, "mlflow/1/"),
        listed(ARTIFACTS, "mlflow/1/", "ListBucketVersions"),
        through_s3("Decrypt", ARTIFACTS),
        log_in("mlflow"),
    ],
    "exporter": [
        on_bucket("GetObject", BACKUPS, "mlflow/1/verified.json"),
        *(listed(BACKUPS, "mlflow/", action) for action in ("ListBucket", "ListBucketVersions")),
        through_s3("Decrypt", BACKUPS),
        *(listed(ARTIFACTS, "mlflow/", action) for action in ("ListBucket", "ListBucketVersions")),
        log_in("mlflow"),
    ],
    "migration": [log_in("mlflow")],
    "trainer": [
        on_bucket("GetObject", ARTIFACTS, "datasets/cifar10/1.tar"),
        *on_objects(("GetObject", *WRITE), ARTIFACTS, f"checkpoints/{TEAM}/run/1.pt"),
        listed(ARTIFACTS, "datasets/"),
        listed(ARTIFACTS, f"checkpoints/{TEAM}/run/"),
        *(through_s3(action, ARTIFACTS) for action in ENCRYPT),
    ],
    "signer": [
        on_bucket("GetObject", ARTIFACTS, "mlflow/1/model.pt"),
        listed(ARTIFACTS, "mlflow/1/"),
        through_s3("Decrypt", ARTIFACTS),
        *on_objects(("GetObject", *WRITE), RELEASES, "digits/0123/model.tar.gz"),
        # HEAD of the bucket, or of a missing object, needs this permission.
        listed(RELEASES, None),
        *(through_s3(action, RELEASES) for action in ENCRYPT),
    ],
    "reconciler": [
        *on_objects(("GetObject", *WRITE), RELEASES, "digits/rollouts/00000001.json"),
        listed(RELEASES, None),
        listed(RELEASES, "digits/rollouts/"),
        *(through_s3(action, RELEASES) for action in ENCRYPT),
    ],
    "delivery": [
        Call(action="ecr:GetAuthorizationToken", resource="*"),
        *(on_repository(action, "serving") for action in PULL),
        *(on_repository(action, "models") for action in (*PULL, *PUSH)),
    ],
    "database-setup": [read_secret(ADMIN_SECRET), through_secrets_manager(ADMIN_SECRET)],
}

# With any role, an attacker would look around, escalate privileges or destroy data for good like this.
ATTACKS: list[Call] = [
    Call(action="s3:ListAllMyBuckets", resource="*"),
    *(
        on_bucket(action, bucket)
        for bucket in (ARTIFACTS, BACKUPS, RELEASES)
        for action in (
            "PutBucketPolicy",
            "PutBucketVersioning",
            "PutLifecycleConfiguration",
            "PutReplicationConfiguration",
            "DeleteBucket",
        )
    ),
    *(
        on_bucket(action, bucket, "mlflow/1/model.pt")
        for bucket in (ARTIFACTS, BACKUPS, RELEASES)
        for action in ("DeleteObjectVersion", "BypassGovernanceRetention", "PutObjectAcl")
    ),
    # Use of the keys without the services that hold the data, and deletion of the keys, which destroys all data.
    *(on_key("Decrypt", key, {}) for key in (BUCKET_KEY, DATABASE_KEY, OTHER_KEY)),
    through_s3("Decrypt", ARTIFACTS, key=OTHER_KEY),
    *(
        on_key(action, BUCKET_KEY, {})
        for action in ("ScheduleKeyDeletion", "DisableKey", "PutKeyPolicy", "CreateGrant")
    ),
    Call(action="iam:PassRole", resource=ACCOUNT.global_arn("iam", "role/administrator")),
    Call(action="iam:PutRolePolicy", resource=ACCOUNT.global_arn("iam", "role/pod")),
    Call(action="iam:DeleteRolePermissionsBoundary", resource=ACCOUNT.global_arn("iam", "role/pod")),
    Call(action="iam:CreateAccessKey", resource=ACCOUNT.global_arn("iam", "user/someone")),
    Call(
        action="sts:AssumeRole",
        resource=ACCOUNT.global_arn("iam", "role/administrator"),
        policy={
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": ACCOUNT.global_arn("iam", "root")},
                    "Action": "sts:AssumeRole",
                }
            ],
        },
    ),
    Call(action="secretsmanager:ListSecrets", resource="*"),
    read_secret(ACCOUNT.arn("secretsmanager", "secret:payroll-a1b2c3")),
    log_in("postgres"),
    log_in("rds_superuser"),
    log_in("mlflow", "db-ZZZZZZZZZZZZZZZZZZZZZZZZZZ"),
    *(
        Call(action=f"rds:{action}", resource=ACCOUNT.arn("rds", "db:aegis-prod"))
        for action in ("ModifyDBInstance", "DeleteDBInstance")
    ),
    Call(action="ecr:PutImage", resource=ACCOUNT.arn("ecr", "repository/aegis/mlflow")),
    Call(action="ssm:GetParameter", resource=ACCOUNT.arn("ssm", "parameter/production/token")),
]

DENIED: dict[str, list[Call]] = {
    "mlflow": [
        on_bucket("GetObject", ARTIFACTS, "datasets/cifar10/1.tar"),
        on_bucket("PutObject", ARTIFACTS, f"checkpoints/{TEAM}/run/1.pt"),
        on_bucket("GetObject", ARTIFACTS, "mlflow-private/1"),
        on_bucket("GetObjectVersion", ARTIFACTS, "mlflow/1/model.pt"),
        on_bucket("GetObject", BACKUPS, "mlflow/1/database.dump"),
        on_bucket("PutObject", RELEASES, "digits/0123/model.tar.gz"),
        *(listed(ARTIFACTS, prefix) for prefix in (None, "", "datasets/", "mlflow-private/", "mlflow")),
        listed(BACKUPS, "mlflow/"),
        squatted(on_bucket("PutObject", ARTIFACTS, "mlflow/1/model.pt")),
        through_s3("Decrypt", BACKUPS),
        through_s3("Decrypt", ARTIFACTS, service="ebs"),
        read_secret(ADMIN_SECRET),
    ],
    "backup": [
        *on_objects(("PutObject", "DeleteObject"), ARTIFACTS, "mlflow/1/model.pt"),
        on_bucket("GetObject", ARTIFACTS, "datasets/cifar10/1.tar"),
        listed(ARTIFACTS, "datasets/"),
        on_bucket("GetObject", BACKUPS, "other/1/database.dump"),
        listed(BACKUPS, None),
        on_bucket("GetObject", RELEASES, "digits/0123/model.tar.gz"),
        squatted(on_bucket("PutObject", BACKUPS, "mlflow/1/database.dump")),
        through_s3("GenerateDataKey", ARTIFACTS),
        through_s3("Decrypt", RELEASES),
        read_secret(ADMIN_SECRET),
    ],
    "exporter": [
        *on_objects(("PutObject", "DeleteObject"), BACKUPS, "mlflow/1/database.dump"),
        on_bucket("GetObject", ARTIFACTS, "mlflow/1/model.pt"),
        *(listed(ARTIFACTS, prefix) for prefix in (None, "", "datasets/", "mlflow")),
        listed(BACKUPS, None),
        on_bucket("GetObject", RELEASES, "digits/0123/model.tar.gz"),
        through_s3("GenerateDataKey", BACKUPS),
        through_s3("Decrypt", ARTIFACTS),
        read_secret(ADMIN_SECRET),
    ],
    "migration": [
        on_bucket("GetObject", ARTIFACTS, "mlflow/1/model.pt"),
        on_bucket("GetObject", BACKUPS, "mlflow/1/database.dump"),
        listed(ARTIFACTS, "mlflow/"),
        through_s3("Decrypt", ARTIFACTS),
        read_secret(ADMIN_SECRET),
    ],
    "trainer": [
        *on_objects(("PutObject", "DeleteObject"), ARTIFACTS, "datasets/cifar10/1.tar"),
        *on_objects(("GetObject", "PutObject"), ARTIFACTS, "checkpoints/team-audio/run/1.pt"),
        *on_objects(("GetObject", "PutObject"), ARTIFACTS, f"checkpoints/{TEAM}-2/run/1.pt"),
        on_bucket("DeleteObject", ARTIFACTS, f"checkpoints/{TEAM}/run/1.pt"),
        *on_objects(("GetObject", "PutObject"), ARTIFACTS, "mlflow/1/model.pt"),
        on_bucket("PutObject", RELEASES, "digits/0123/model.tar.gz"),
        *(listed(ARTIFACTS, prefix) for prefix in (None, "", "mlflow/", "checkpoints/", "checkpoints/team-audio/")),
        squatted(on_bucket("PutObject", ARTIFACTS, f"checkpoints/{TEAM}/run/1.pt")),
        through_s3("Decrypt", BACKUPS),
        log_in("mlflow"),
        read_secret(ADMIN_SECRET),
    ],
    "signer": [
        *on_objects(("PutObject", "DeleteObject"), ARTIFACTS, "mlflow/1/model.pt"),
        on_bucket("GetObject", ARTIFACTS, "datasets/cifar10/1.tar"),
        *on_objects(("DeleteObject", "PutObjectRetention"), RELEASES, "digits/0123/model.tar.gz"),
        on_bucket("GetObject", BACKUPS, "mlflow/1/database.dump"),
        listed(ARTIFACTS, None),
        squatted(on_bucket("PutObject", RELEASES, "digits/0123/model.tar.gz")),
        through_s3("GenerateDataKey", ARTIFACTS),
        through_s3("Decrypt", BACKUPS),
        log_in("mlflow"),
        read_secret(ADMIN_SECRET),
    ],
    "reconciler": [
        *on_objects(("GetObject", "PutObject"), RELEASES, "digits/0123/model.tar.gz"),
        *on_objects(("GetObject", "PutObject"), RELEASES, "digits/decisions/00000001.json"),
        *on_objects(("DeleteObject", "PutObjectRetention"), RELEASES, "digits/rollouts/00000001.json"),
        on_bucket("GetObject", ARTIFACTS, "mlflow/1/model.pt"),
        on_bucket("GetObject", BACKUPS, "mlflow/1/database.dump"),
        squatted(on_bucket("PutObject", RELEASES, "digits/rollouts/00000001.json")),
        through_s3("Decrypt", ARTIFACTS),
        on_repository("PutImage", "models"),
        log_in("mlflow"),
        read_secret(ADMIN_SECRET),
    ],
    "delivery": [
        *(on_repository(action, "serving") for action in PUSH),
        *(on_repository(action, "mlflow") for action in (*PULL, *PUSH)),
        *(on_repository(action, "models") for action in ("BatchDeleteImage", "DeleteRepository")),
        on_bucket("GetObject", ARTIFACTS, "mlflow/1/model.pt"),
        on_bucket("GetObject", RELEASES, "digits/0123/model.tar.gz"),
        log_in("mlflow"),
        read_secret(ADMIN_SECRET),
    ],
    "database-setup": [
        Call(action="secretsmanager:PutSecretValue", resource=ADMIN_SECRET),
        Call(action="secretsmanager:DeleteSecret", resource=ADMIN_SECRET),
        read_secret(f"{ADMIN_SECRET}-2"),
        through_secrets_manager(ACCOUNT.arn("secretsmanager", "secret:payroll-a1b2c3")),
        through_secrets_manager(ADMIN_SECRET, key=OTHER_KEY),
        through_s3("Decrypt", ARTIFACTS, key=DATABASE_KEY),
        on_bucket("GetObject", ARTIFACTS, "mlflow/1/model.pt"),
        log_in("mlflow"),
    ],
}

# Uploads that MLflow's role allows and the bucket policy denies.
UPLOAD = on_bucket("PutObject", ARTIFACTS, "mlflow/1/model.pt")
DENIED_UPLOADS: dict[str, Mapping[str, str]] = {
    "without TLS": {"aws:SecureTransport": "false"},
    "with an old TLS": {"s3:TlsVersion": "1.1"},
    "with another KMS key": {
        "s3:x-amz-server-side-encryption": "aws:kms",
        "s3:x-amz-server-side-encryption-aws-kms-key-id": OTHER_KEY,
    },
    "with S3's own key": {"s3:x-amz-server-side-encryption": "AES256"},
    "with a key that the caller provides": {"s3:x-amz-server-side-encryption-customer-algorithm": "AES256"},
}


def pairs(table: Mapping[str, list[Call]]) -> Iterator[tuple[str, Call]]:
    return ((role, call) for role, calls in table.items() for call in calls)


GRANTS = list(pairs(ALLOWED))
REFUSALS = [*pairs(DENIED), *((role, call) for role in POLICIES for call in ATTACKS)]
UPLOADS = {how: replace(UPLOAD, context={**UPLOAD.context, **context}) for how, context in DENIED_UPLOADS.items()}


def test_each_role_may_do_what_its_workload_calls() -> None:
    decisions = allowed([call.by(POLICIES[role], boundary=BOUNDARY) for role, call in GRANTS])
    assert [f"{role}: {call}" for (role, call), yes in zip(GRANTS, decisions, strict=True) if not yes] == []


def test_each_role_is_denied_what_an_attacker_would_try() -> None:
    decisions = allowed([call.by(POLICIES[role]) for role, call in REFUSALS])
    assert [f"{role}: {call}" for (role, call), yes in zip(REFUSALS, decisions, strict=True) if yes] == []


def test_an_administrator_is_allowed_what_the_roles_are_denied() -> None:
    decisions = allowed([call.by(ADMINISTRATOR) for _, call in REFUSALS])
    assert [str(call) for (_, call), yes in zip(REFUSALS, decisions, strict=True) if not yes] == []


def test_a_permissions_boundary_denies_everything_outside_it() -> None:
    decisions = allowed([call.by(POLICIES[role], boundary=NARROW_BOUNDARY) for role, call in GRANTS])
    left = {call.action for (_, call), yes in zip(GRANTS, decisions, strict=True) if yes}
    assert left == {"s3:ListBucket"}


def test_the_bucket_policy_denies_uploads_that_the_role_allows() -> None:
    decisions = allowed([call.by(POLICIES["mlflow"]) for call in UPLOADS.values()])
    assert [how for how, yes in zip(UPLOADS, decisions, strict=True) if yes] == []


def test_an_upload_may_name_the_bucket_s_own_key() -> None:
    named = {
        "s3:x-amz-server-side-encryption": "aws:kms",
        "s3:x-amz-server-side-encryption-aws-kms-key-id": BUCKET_KEY,
    }
    assert allowed([replace(UPLOAD, context={**UPLOAD.context, **named}).by(POLICIES["mlflow"])]) == [True]


@pytest.mark.parametrize("table", [ALLOWED, DENIED], ids=["allowed", "denied"])
def test_every_role_is_in_the_tables(table: Mapping[str, list[Call]]) -> None:
    assert set(table) == set(POLICIES)
