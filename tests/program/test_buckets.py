"""The platform's buckets: each has every protection, and each resource is created after those that it needs."""

import json
from dataclasses import replace
from typing import Any

import pulumi_aws as aws
import pytest
from pulumi import ResourceOptions
from pulumi.runtime.rpc import UNKNOWN

import contracts
from infra.aws.replication import Replica
from infra.capabilities.artifacts.buckets import PlatformBuckets, PlatformBucketsArgs
from infra.limits.account import Account
from tests.support.engine import Graph, Registered, run

TAGS = {"Environment": "prod", "Owner": "ml-platform", "CostCenter": "42", "ManagedBy": "pulumi", "Project": "aegis"}
ACCOUNT = Account(project="aegis", environment="prod", account_id="123456789012", region="us-west-2", tags=TAGS)
OTHER_REGION = replace(ACCOUNT, region="us-east-2")
DATA = ("artifacts", "backups", "releases")
PRIMARY = [f"buckets-{purpose}" for purpose in (*DATA, "logs")]
REPLICA = [f"buckets-replica-{purpose}" for purpose in (*DATA, "logs")]
GUARDS = ("BucketVersioning", "BucketServerSideEncryptionConfiguration", "BucketPublicAccessBlock",
          "BucketOwnershipControls", "BucketPolicy", "BucketLifecycleConfiguration")  # fmt: skip


def build(*, replicated: bool = False, preview: bool = False, **changes: Any) -> Graph:
    def program() -> None:
        replica = Replica(account=OTHER_REGION, provider=aws.Provider("replica")) if replicated else None
        args: dict[str, Any] = {"account": ACCOUNT, "protected": True, "retention_days": 30, "replica": replica}
        buckets = PlatformBuckets(
            "buckets", PlatformBucketsArgs(**args | changes), ResourceOptions(providers=[aws.Provider("aws")])
        )
        assert buckets.names == {
            contracts.ARTIFACTS_BUCKET: "aegis-prod-artifacts-123456789012-us-west-2",
            contracts.BACKUPS_BUCKET: "aegis-prod-backups-123456789012-us-west-2",
            contracts.RELEASES_BUCKET: "aegis-prod-releases-123456789012-us-west-2",
        }

    return run(program, {}, preview=preview)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build(replicated=True, cold_after_days=90, backup_lock_days=14)


@pytest.fixture(scope="module")
def unprotected() -> Graph:
    return build(protected=False)


def of(graph: Graph, bucket: str, kind: str) -> Registered:
    """Return the only resource of a kind among a bucket's children."""
    found = [each for each in graph.of_kind(kind) if each.parent.endswith(f"::{bucket}")]
    assert len(found) == 1, f"{len(found)} of {kind} in {bucket}"
    return found[0]


def key_of(graph: Graph, bucket: str) -> str:
    """Return the ARN of the key in the bucket's region."""
    name = "buckets-replica-key-key" if bucket.startswith("buckets-replica") else "buckets-key-key"
    return f"arn:aws:kms:us-west-2:123456789012:Key/{graph.one('Key', name).name}"


def policy(resource: Registered) -> dict[str, Any]:
    return {each["Sid"]: each for each in json.loads(resource.inputs["policy"])["Statement"]}


@pytest.mark.parametrize("bucket", PRIMARY + REPLICA)
def test_a_bucket_is_versioned_before_it_gets_rules_about_versions(graph: Graph, bucket: str) -> None:
    versioning = of(graph, bucket, "BucketVersioning")
    assert versioning.inputs["versioningConfiguration"] == {"status": "Enabled"}
    assert versioning.urn in of(graph, bucket, "BucketLifecycleConfiguration").depends_on


@pytest.mark.parametrize("bucket", PRIMARY + REPLICA)
def test_a_bucket_blocks_public_access_before_it_gets_a_policy(graph: Graph, bucket: str) -> None:
    block = of(graph, bucket, "BucketPublicAccessBlock")
    assert {key: value for key, value in block.inputs.items() if key != "bucket"} == {
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    assert block.urn in of(graph, bucket, "BucketPolicy").depends_on


@pytest.mark.parametrize("bucket", PRIMARY + REPLICA)
def test_the_bucket_owner_owns_every_object(graph: Graph, bucket: str) -> None:
    ownership = of(graph, bucket, "BucketOwnershipControls")
    assert ownership.inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}


@pytest.mark.parametrize("bucket", PRIMARY + REPLICA)
def test_a_bucket_accepts_only_current_tls(graph: Graph, bucket: str) -> None:
    statements = policy(of(graph, bucket, "BucketPolicy"))
    arn = f"arn:aws:s3:::{of(graph, bucket, 'Bucket').inputs['bucket']}"
    for sid in ("DenyWithoutTLS", "DenyOldTLS"):
        assert statements[sid]["Resource"] == [arn, f"{arn}/*"]


@pytest.mark.parametrize("bucket", [each for each in PRIMARY + REPLICA if "logs" not in each])
def test_objects_are_encrypted_only_with_the_key_of_their_region(graph: Graph, bucket: str) -> None:
    rules = of(graph, bucket, "BucketServerSideEncryptionConfiguration").inputs["rules"]
    key = key_of(graph, bucket)
    assert rules == [
        {
            "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key},
            "bucketKeyEnabled": True,
        }
    ]
    required = policy(of(graph, bucket, "BucketPolicy"))["DenyOtherKeys"]["Condition"]["ArnNotEquals"]
    assert list(required.values()) == [key]


@pytest.mark.parametrize("bucket", ["buckets-logs", "buckets-replica-logs"])
def test_access_logs_are_encrypted_with_the_only_kind_of_key_that_log_delivery_supports(
    graph: Graph, bucket: str
) -> None:
    rules = of(graph, bucket, "BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rules == [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]


@pytest.mark.parametrize("site", ["buckets", "buckets-replica"])
@pytest.mark.parametrize("purpose", DATA)
def test_access_is_logged_in_the_region_once_the_log_bucket_allows_it(graph: Graph, site: str, purpose: str) -> None:
    logging = of(graph, f"{site}-{purpose}", "BucketLogging")
    logs = f"{site}-logs"
    assert logging.inputs["targetBucket"] == of(graph, logs, "Bucket").inputs["bucket"]
    assert logging.inputs["targetPrefix"] == f"{purpose}/"
    log_policy = of(graph, logs, "BucketPolicy")
    assert log_policy.urn in logging.depends_on
    source = f"arn:aws:s3:::{of(graph, f'{site}-{purpose}', 'Bucket').inputs['bucket']}"
    (delivery,) = (
        each
        for each in policy(log_policy).values()
        if each.get("Condition", {}).get("ArnLike") == {"aws:SourceArn": source}
    )
    assert delivery["Resource"] == f"arn:aws:s3:::{logging.inputs['targetBucket']}/{purpose}/*"


def test_a_log_bucket_has_no_access_log_itself(graph: Graph) -> None:
    assert {each.parent.rpartition("::")[2] for each in graph.of_kind("BucketLogging")} == {
        f"{site}-{purpose}" for site in ("buckets", "buckets-replica") for purpose in DATA
    }


@pytest.mark.parametrize("bucket", PRIMARY + REPLICA)
def test_a_bucket_and_its_guards_cannot_be_destroyed(graph: Graph, bucket: str) -> None:
    assert of(graph, bucket, "Bucket").inputs["forceDestroy"] is False
    assert [kind for kind in ("Bucket", *GUARDS) if not of(graph, bucket, kind).protect] == []


@pytest.mark.parametrize("bucket", PRIMARY)
def test_an_unprotected_bucket_is_deleted_with_its_stack_even_if_it_is_not_empty(
    unprotected: Graph, bucket: str
) -> None:
    assert of(unprotected, bucket, "Bucket").inputs["forceDestroy"] is True


def test_nothing_of_an_unprotected_environment_is_protected(unprotected: Graph) -> None:
    assert [each.name for each in unprotected.resources if each.protect] == []


@pytest.mark.parametrize("bucket", PRIMARY + REPLICA)
def test_a_bucket_has_the_tags_of_its_environment(graph: Graph, bucket: str) -> None:
    assert of(graph, bucket, "Bucket").inputs["tags"] == TAGS


def test_the_keys_rotate_and_their_deletion_can_be_cancelled_for_a_month(graph: Graph) -> None:
    keys = graph.of_kind("Key")
    assert [each.name for each in keys] == ["buckets-key-key", "buckets-replica-key-key"]
    for key in keys:
        assert key.inputs["enableKeyRotation"] is True
        assert key.inputs["rotationPeriodInDays"] == 365
        assert key.inputs["deletionWindowInDays"] == 30
        assert key.inputs["tags"] == TAGS
        assert key.protect


def test_a_key_has_an_alias(graph: Graph) -> None:
    alias = graph.one("Alias", "buckets-key-alias")
    assert alias.inputs == {"name": "alias/aegis-prod-buckets", "targetKeyId": "buckets-key-key-id"}


def test_backups_are_locked_on_both_sides_from_the_start(graph: Graph) -> None:
    for bucket in ("buckets-backups", "buckets-replica-backups"):
        assert of(graph, bucket, "Bucket").inputs["objectLockEnabled"] is True
        lock = of(graph, bucket, "BucketObjectLockConfiguration")
        assert lock.inputs["rule"] == {"defaultRetention": {"mode": "GOVERNANCE", "days": 14}}
        assert of(graph, bucket, "BucketVersioning").urn in lock.depends_on
    assert len(graph.of_kind("BucketObjectLockConfiguration")) == 2


def test_without_lock_days_no_bucket_has_object_lock(unprotected: Graph) -> None:
    assert unprotected.of_kind("BucketObjectLockConfiguration") == []
    assert not any(each.inputs["objectLockEnabled"] for each in unprotected.of_kind("Bucket"))


def rules_of(graph: Graph, bucket: str) -> dict[str, Any]:
    return {each["id"]: each for each in of(graph, bucket, "BucketLifecycleConfiguration").inputs["rules"]}


def test_only_artifacts_move_to_a_cheaper_class_and_not_datasets(graph: Graph) -> None:
    cold = {bucket: [rule for rule in rules_of(graph, bucket) if rule.startswith("cold")] for bucket in PRIMARY}
    assert cold == {
        "buckets-artifacts": ["cold-mlflow", "cold-checkpoints"],
        "buckets-backups": [],
        "buckets-releases": [],
        "buckets-logs": [],
    }


def test_without_a_number_of_days_nothing_moves_to_a_cheaper_class(unprotected: Graph) -> None:
    assert list(rules_of(unprotected, "buckets-artifacts")) == ["abandoned-uploads", "old-versions"]


def test_backups_and_logs_expire_and_artifacts_and_releases_never(graph: Graph) -> None:
    expiration = {bucket: rules_of(graph, bucket)["old-versions"]["expiration"].get("days") for bucket in PRIMARY}
    assert expiration == {
        "buckets-artifacts": None,
        "buckets-backups": 60,
        "buckets-releases": None,
        "buckets-logs": 400,
    }


@pytest.mark.parametrize("purpose", DATA)
def test_a_bucket_is_replicated_with_its_deletions_under_the_other_regions_key(graph: Graph, purpose: str) -> None:
    replication = graph.one("BucketReplicationConfig", f"buckets-replication-{purpose}")
    assert replication.inputs["bucket"] == f"aegis-prod-{purpose}-123456789012-us-west-2"
    assert replication.inputs["role"] == "arn:aws:iam::123456789012:role/aegis-prod-replication-us-west-2"
    (rule,) = replication.inputs["rules"]
    assert rule["status"] == "Enabled"
    assert rule["filter"] == {"prefix": ""}
    assert rule["deleteMarkerReplication"] == {"status": "Enabled"}
    assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    assert rule["destination"] == {
        "bucket": f"arn:aws:s3:::aegis-prod-{purpose}-123456789012-us-east-2",
        "encryptionConfiguration": {"replicaKmsKeyId": key_of(graph, "buckets-replica-artifacts")},
    }


@pytest.mark.parametrize("purpose", DATA)
def test_a_replication_starts_after_versioning_on_both_sides_and_its_role_s_policy(graph: Graph, purpose: str) -> None:
    depends_on = graph.one("BucketReplicationConfig", f"buckets-replication-{purpose}").depends_on
    assert {
        of(graph, f"buckets-{purpose}", "BucketVersioning").urn,
        of(graph, f"buckets-replica-{purpose}", "BucketVersioning").urn,
        graph.one("RolePolicy", "buckets-replication-policy").urn,
    } <= depends_on


def test_only_replicas_are_created_in_the_second_region(graph: Graph) -> None:
    by_provider: dict[str, set[bool]] = {}
    for each in graph.custom():
        by_provider.setdefault(each.provider.rpartition("::")[2], set()).add(each.name.startswith("buckets-replica-"))
    assert by_provider == {"aws": {False}, "replica": {True}}


def test_without_a_replica_there_is_one_region_and_no_role(unprotected: Graph) -> None:
    assert {each.name.removesuffix("-bucket") for each in unprotected.of_kind("Bucket")} == set(PRIMARY)
    assert unprotected.of_kind("Role", "BucketReplicationConfig") == []


def test_the_role_of_a_replication_has_the_permissions_boundary() -> None:
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    graph = build(replicated=True, account=replace(ACCOUNT, permissions_boundary=boundary))
    assert graph.one("Role").inputs["permissionsBoundary"] == boundary


def test_the_first_preview_names_every_bucket_although_no_key_is_known() -> None:
    graph = build(replicated=True, preview=True)
    assert all(each.inputs["bucket"].startswith("aegis-prod-") for each in graph.of_kind("Bucket", *GUARDS))
    assert of(graph, "buckets-artifacts", "BucketPolicy").inputs["policy"] == UNKNOWN


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"retention_days": 0}, "retention_days must be 1 or more, got 0"),
        ({"cold_after_days": 29}, "cold_after_days must be 30 or more, got 29"),
        ({"backup_lock_days": 0}, "backup_lock_days must be 1 to the 30 days of the backups' retention, got 0"),
        ({"backup_lock_days": 31}, "backup_lock_days must be 1 to the 30 days of the backups' retention, got 31"),
    ],
)
def test_days_out_of_range_are_refused_with_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    args: dict[str, Any] = {"account": ACCOUNT, "protected": True, "retention_days": 30}
    with pytest.raises(ValueError, match=message):
        PlatformBucketsArgs(**args | changes)


def test_a_replica_in_the_same_region_is_refused() -> None:
    def program() -> None:
        replica = Replica(account=ACCOUNT, provider=aws.Provider("replica"))
        PlatformBucketsArgs(account=ACCOUNT, protected=True, retention_days=30, replica=replica)

    with pytest.raises(ValueError, match="the replica's region must differ from the buckets' region, got us-west-2"):
        run(program, {})


def test_an_environment_whose_buckets_names_are_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="must be at most 63 characters"):
        build(account=replace(ACCOUNT, environment="experiments-of-the-second-floor"))
