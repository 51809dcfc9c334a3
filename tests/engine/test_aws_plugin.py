"""The embedded plugin `aws` with the real engine, against moto's server."""

import textwrap

import pytest

from tests.engine.stack import EngineError, Stack
from tests.support.aws_server import ACCOUNT, ISSUER, REGION, SERVICES, Aws, Network

PROVIDER = """
    import json
    import pulumi
    import pulumi_aws as aws
    from pulumi import ResourceOptions
    from pulumi_aws import cloudwatch, ec2, ecr, eks, iam, kms, rds, s3, vpc

    config = pulumi.Config()
    account = aws.Provider(
        "account", region="{region}", access_key="test", secret_key="test", s3_use_path_style=True,
        allowed_account_ids=["{account}"], endpoints=[dict.fromkeys({services!r}, {url!r})],
    )
    opts = ResourceOptions(provider=account)
    lookup = pulumi.InvokeOptions(provider=account)
    tags = {{"Owner": config.get("owner") or "platform", "ManagedBy": "pulumi"}}
"""

STORES = """
    key = kms.Key("key", enable_key_rotation=True, deletion_window_in_days=7, tags=tags, opts=opts)
    kms.Alias("alias", name="alias/aegis", target_key_id=key.key_id, opts=opts)

    def bucket(purpose, **more):
        created = s3.Bucket(purpose, bucket=f"aegis-{purpose}", force_destroy=True, tags=tags, opts=opts, **more)
        versioning = s3.BucketVersioning(
            f"{purpose}-versioning", bucket=created.bucket, versioning_configuration={"status": "Enabled"}, opts=opts
        )
        return created, ResourceOptions(provider=account, depends_on=[versioning])

    logs, _ = bucket("logs")
    replica, _ = bucket("replica")
    artifacts, versioned = bucket("artifacts", object_lock_enabled=True)
    delivery = {
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": ["s3:PutObject"], "Resource": "arn:aws:s3:::aegis-logs/artifacts/*",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
        }],
    }
    policy = s3.BucketPolicy("policy", bucket=logs.bucket, policy=json.dumps(delivery), opts=opts)
    s3.BucketLogging(
        "logging", bucket=artifacts.bucket, target_bucket=logs.bucket, target_prefix="artifacts/",
        opts=ResourceOptions(provider=account, depends_on=[policy]),
    )
    s3.BucketLifecycleConfiguration(
        "lifecycle", bucket=artifacts.bucket, opts=opts,
        rules=[
            {"id": "uploads", "status": "Enabled", "filter": {"prefix": ""},
             "abort_incomplete_multipart_upload": {"days_after_initiation": 7}},
            {"id": "old", "status": "Enabled", "filter": {"prefix": "mlflow/"},
             "noncurrent_version_expiration": {"noncurrent_days": config.get_int("days") or 30},
             "transitions": [{"days": 30, "storage_class": "STANDARD_IA"}]},
        ],
    )
    s3.BucketServerSideEncryptionConfiguration(
        "encryption", bucket=artifacts.bucket, opts=opts,
        rules=[{
            "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key.arn},
            "bucket_key_enabled": True,
        }],
    )
    s3.BucketPublicAccessBlock(
        "private", bucket=artifacts.bucket, block_public_acls=True, block_public_policy=True, ignore_public_acls=True,
        restrict_public_buckets=True, opts=opts,
    )
    s3.BucketOwnershipControls(
        "ownership", bucket=artifacts.bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=opts
    )
    s3.BucketObjectLockConfiguration(
        "lock", bucket=artifacts.bucket, rule={"default_retention": {"mode": "GOVERNANCE", "days": 7}}, opts=versioned
    )
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "s3.amazonaws.com"}}
        ],
    }
    # An object, which the official plugin converts to text.
    role = iam.Role("role", assume_role_policy=trust, max_session_duration=7200, tags=tags, opts=opts)
    permissions = pulumi.Output.json_dumps({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [artifacts.arn]}],
    })
    iam.RolePolicy("permissions", role=role.name, policy=permissions, opts=opts)
    s3.BucketReplicationConfig(
        "replication", bucket=artifacts.bucket, role=role.arn, opts=opts,
        rules=[{
            "id": "all", "priority": 1, "status": "Enabled", "delete_marker_replication": {"status": "Disabled"},
            "destination": {"bucket": replica.arn, "storage_class": "STANDARD_IA"}, "filter": {"prefix": ""},
        }],
    )
    images = ecr.Repository(
        "images", name="aegis/mlflow", image_tag_mutability="IMMUTABLE", force_delete=True, tags=tags, opts=opts,
        image_scanning_configuration={"scan_on_push": True},
        encryption_configurations=[{"encryption_type": "KMS", "kms_key": key.arn}],
    )
    newest = {
        "rulePriority": 1, "action": {"type": "expire"},
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 50},
    }
    ecr.LifecyclePolicy("newest", repository=images.name, policy=json.dumps({"rules": [newest]}), opts=opts)
    pulumi.export("repository", images.repository_url)
    pulumi.export("domain", artifacts.bucket_regional_domain_name)
"""
STORES_COUNT = 20

DATABASE = """
    subnets = rds.SubnetGroup("subnets", subnet_ids={subnets!r}, tags=tags, opts=opts)
    firewall = ec2.SecurityGroup("firewall", vpc_id={vpc!r}, tags=tags, opts=opts)
    vpc.SecurityGroupIngressRule(
        "ingress", security_group_id=firewall.id, cidr_ipv4=config.get("from") or "10.0.0.0/16", ip_protocol="tcp",
        from_port=5432, to_port=5432, description="the cluster", opts=opts,
    )
    connections = config.get("connections") or "100"
    parameters = rds.ParameterGroup(
        "parameters", family="postgres16", opts=opts,
        parameters=[
            {{"name": "rds.force_ssl", "value": "1"}},
            {{"name": "max_connections", "value": connections, "apply_method": "pending-reboot"}},
        ],
    )
    key = kms.Key("key", opts=opts)
    cloudwatch.LogGroup(
        "log", name="/aws/rds/instance/aegis-mlflow/postgresql", retention_in_days=config.get_int("days") or 90,
        kms_key_id=key.arn, tags=tags, opts=opts,
    )
    protected = config.get_bool("protected") or False
    database = rds.Instance(
        "database", identifier="aegis-mlflow", engine="postgres", engine_version="16",
        instance_class=config.get("class") or "db.t4g.medium", allocated_storage=config.get_int("gib") or 20,
        max_allocated_storage=100, username="admin_", manage_master_user_password=True, storage_encrypted=True,
        kms_key_id=key.arn, multi_az=config.get_bool("multi") or False, db_subnet_group_name=subnets.name,
        parameter_group_name=parameters.name, vpc_security_group_ids=[firewall.id], port=5432,
        iam_database_authentication_enabled=True, performance_insights_enabled=True, apply_immediately=True,
        backup_retention_period=7, deletion_protection=protected, skip_final_snapshot=not protected,
        final_snapshot_identifier=key.arn.apply(lambda arn: "last-" + arn[-12:]) if protected else None, tags=tags,
        opts=opts,
    )
    pulumi.export("endpoint", database.endpoint)
    pulumi.export("secret", database.master_user_secrets[0].secret_arn)
    pulumi.export("resource_id", database.resource_id)
"""
DATABASE_COUNT = 7


def write(stack: Stack, aws: Aws, *parts: str, account: str = ACCOUNT, url: str | None = None) -> None:
    head = PROVIDER.format(region=REGION, account=account, services=SERVICES, url=url or aws.url)
    stack.program("\n".join(textwrap.dedent(part) for part in (head, *parts)))


def database(network: Network) -> str:
    return DATABASE.format(vpc=network.vpc, subnets=list(network.subnets))


def server_of(aws: Aws) -> dict[str, object]:
    return aws.client("rds").describe_db_instances()["DBInstances"][0]


def log_groups(aws: Aws) -> list[dict[str, object]]:
    return aws.client("logs").describe_log_groups()["logGroups"]


def test_stores_are_created_kept_changed_and_destroyed(stack: Stack, aws: Aws) -> None:
    write(stack, aws, STORES)
    assert stack.preview().counts == {"create": STORES_COUNT}
    assert aws.client("s3").list_buckets()["Buckets"] == [], "a preview creates nothing"
    assert stack.up().counts == {"create": STORES_COUNT}
    outputs = stack.outputs()
    assert outputs["repository"] == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/aegis/mlflow"
    assert outputs["domain"] == f"aegis-artifacts.s3.{REGION}.amazonaws.com"
    state = stack.state()
    assert state["artifacts"]["id"] == state["lifecycle"]["id"] == "aegis-artifacts"
    assert state["permissions"]["id"].startswith("role-")
    assert ":permissions-" in state["permissions"]["id"]

    assert stack.preview().counts == {"same": STORES_COUNT}
    assert stack.refresh().counts == {"same": STORES_COUNT}
    assert stack.preview().counts == {"same": STORES_COUNT}

    stack.config(days="90", owner="somebody")
    changed = stack.up()
    assert changed.differences["lifecycle"] == {"rules[1].noncurrentVersionExpiration.noncurrentDays"}
    assert changed.differences["artifacts"] == {"tags.Owner"}
    assert set(changed.steps.values()) == {"same", "update"}
    rules = aws.client("s3").get_bucket_lifecycle_configuration(Bucket="aegis-artifacts")["Rules"]
    assert rules[1]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}

    aws.client("s3").put_object(Bucket="aegis-logs", Key="artifacts/1", Body=b"one")
    aws.client("s3").put_object(Bucket="aegis-logs", Key="artifacts/1", Body=b"two")
    stack.destroy()
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert aws.client("iam").list_roles()["Roles"] == []
    assert aws.client("ecr").describe_repositories()["repositories"] == []
    kms = aws.client("kms")
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] for key in kms.list_keys()["Keys"]]
    assert keys == ["PendingDeletion"]


def test_a_database_changes_in_place_and_is_destroyed_completely(stack: Stack, aws: Aws, network: Network) -> None:
    write(stack, aws, database(network))
    assert stack.up().counts == {"create": DATABASE_COUNT}
    outputs = stack.outputs()
    assert outputs["endpoint"] == f"aegis-mlflow.aaaaaaaaaa.{REGION}.rds.amazonaws.com:5432"
    assert outputs["secret"].startswith(f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-")
    groups = aws.client("ec2").describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [network.vpc]}])
    firewall = next(each for each in groups["SecurityGroups"] if each["GroupName"].startswith("firewall-"))
    assert firewall["IpPermissionsEgress"] == [], "a group allows no outgoing traffic unless the program does"
    assert firewall["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "10.0.0.0/16", "Description": "the cluster"}]

    assert stack.preview().counts == {"same": DATABASE_COUNT}
    refreshed = stack.refresh()
    assert refreshed.counts == {"same": DATABASE_COUNT}, refreshed.differences
    assert stack.preview().counts == {"same": DATABASE_COUNT}

    stack.config(
        **{"class": "db.m6g.large"}, gib="40", multi="true", connections="200", days="30", **{"from": "10.0.0.0/24"}
    )
    previewed = stack.preview()
    assert previewed.steps["database"] == "update", "a new class keeps the database and its data"
    assert previewed.differences["database"] == {"instanceClass", "allocatedStorage", "multiAz"}
    assert stack.up().counts == {"same": DATABASE_COUNT - 4, "update": 4}
    assert [each["retentionInDays"] for each in log_groups(aws)] == [30]
    instance = server_of(aws)
    assert (instance["DBInstanceClass"], instance["AllocatedStorage"], instance["MultiAZ"]) == (
        "db.m6g.large",
        40,
        True,
    )
    assert stack.outputs()["resource_id"] == outputs["resource_id"]
    assert stack.preview().counts == {"same": DATABASE_COUNT}

    stack.destroy()
    assert aws.client("rds").describe_db_instances()["DBInstances"] == []
    assert aws.client("rds").describe_db_subnet_groups()["DBSubnetGroups"] == []
    assert log_groups(aws) == []
    groups = aws.client("ec2").describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [network.vpc]}])
    assert [each["GroupName"] for each in groups["SecurityGroups"]] == ["default"]


def test_a_protected_database_is_deleted_only_after_unprotecting_it_and_with_a_snapshot(
    stack: Stack, aws: Aws, network: Network
) -> None:
    write(stack, aws, database(network))
    stack.config(protected="true")
    stack.up()
    assert stack.preview().counts == {"same": DATABASE_COUNT}
    with pytest.raises(EngineError, match="Cannot delete protected DB Instance, please disable deletion protection"):
        stack.destroy()
    assert server_of(aws)["DBInstanceStatus"] == "available"
    rds = aws.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier="aegis-mlflow", DeletionProtection=False)
    stack.destroy()
    assert len(rds.describe_db_snapshots()["DBSnapshots"]) == 1
    stack.up()
    rds.modify_db_instance(DBInstanceIdentifier="aegis-mlflow", DeletionProtection=False)
    stack.destroy()
    snapshots = rds.describe_db_snapshots()["DBSnapshots"]
    assert len({each["DBSnapshotIdentifier"] for each in snapshots}) == len(snapshots) == 2


def test_a_refresh_shows_drift_in_aws_and_an_update_reverts_it(stack: Stack, aws: Aws, network: Network) -> None:
    write(stack, aws, STORES)
    stack.up()
    s3, iam = aws.client("s3"), aws.client("iam")
    s3.put_public_access_block(
        Bucket="aegis-artifacts", PublicAccessBlockConfiguration={"BlockPublicAcls": True, "BlockPublicPolicy": False}
    )
    s3.put_bucket_tagging(Bucket="aegis-artifacts", Tagging={"TagSet": [{"Key": "Owner", "Value": "intruder"}]})
    s3.delete_bucket_policy(Bucket="aegis-logs")
    role = iam.list_roles()["Roles"][0]["RoleName"]
    open_to_all = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}'
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=open_to_all)
    aws.client("ecr").put_image_tag_mutability(repositoryName="aegis/mlflow", imageTagMutability="MUTABLE")
    refreshed = stack.refresh()
    drifted = {"private": "update", "artifacts": "update", "role": "update", "images": "update", "policy": "delete"}
    assert {name: step for name, step in refreshed.steps.items() if step != "same"} == drifted
    assert refreshed.differences["private"] >= {"blockPublicPolicy"}

    updated = stack.up()
    assert updated.counts == {"same": STORES_COUNT - 5, "update": 4, "create": 1}
    block = s3.get_public_access_block(Bucket="aegis-artifacts")["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(block, True)
    tags = s3.get_bucket_tagging(Bucket="aegis-artifacts")["TagSet"]
    assert {each["Key"]: each["Value"] for each in tags} == {"Owner": "platform", "ManagedBy": "pulumi"}
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] != "*"


BUCKET = """
    protect = ResourceOptions(provider=account, protect=config.get_bool("protect"))
    bucket = s3.Bucket("artifacts", bucket=config.require("bucket"), opts=protect)
"""


def test_renaming_a_protected_bucket_is_refused_and_loses_nothing(stack: Stack, aws: Aws) -> None:
    write(stack, aws, BUCKET)
    stack.config(bucket="aegis-dev-artifacts", protect="true")
    stack.up()
    aws.client("s3").put_object(Bucket="aegis-dev-artifacts", Key="model", Body=b"weights")
    stack.config(bucket="aegis-prod-artifacts")
    with pytest.raises(EngineError, match="marked for protection"):
        stack.up()
    assert [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]] == ["aegis-dev-artifacts"]
    assert aws.client("s3").get_object(Bucket="aegis-dev-artifacts", Key="model")["Body"].read() == b"weights"


def test_a_bucket_with_objects_isnt_deleted_without_force_destroy(stack: Stack, aws: Aws) -> None:
    write(stack, aws, BUCKET)
    stack.config(bucket="aegis-keep")
    stack.up()
    aws.client("s3").put_object(Bucket="aegis-keep", Key="model", Body=b"weights")
    with pytest.raises(EngineError, match="BucketNotEmpty"):
        stack.destroy()
    assert aws.client("s3").get_object(Bucket="aegis-keep", Key="model")["Body"].read() == b"weights"


def test_lookups_find_a_cluster_its_network_and_its_identity_provider(stack: Stack, aws: Aws, network: Network) -> None:
    aws.cluster("aegis", network)
    look_ups = """
    cluster = eks.get_cluster(name="aegis", opts=lookup)
    provider = iam.get_open_id_connect_provider(url=ISSUER, opts=lookup)
    pulumi.export("cluster", cluster.arn)
    pulumi.export("provider", provider.arn)
    pulumi.export("cidrs", [each.cidr_block for each in ec2.get_vpc(id=VPC, opts=lookup).cidr_block_associations])
    pulumi.export("account", aws.get_caller_identity(opts=lookup).account_id)
    """
    write(stack, aws, look_ups.replace("ISSUER", repr(ISSUER)).replace("VPC", repr(network.vpc)))
    stack.up()
    assert stack.outputs() == {
        "cluster": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/aegis",
        "provider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER.removeprefix('https://')}",
        "cidrs": ["10.0.0.0/16"],
        "account": ACCOUNT,
    }


def test_a_missing_cluster_fails_the_preview_with_its_name(stack: Stack, aws: Aws) -> None:
    write(stack, aws, 'eks.get_cluster(name="nowhere", opts=lookup)\n')
    with pytest.raises(EngineError, match=f"no EKS cluster 'nowhere' in {REGION}"):
        stack.preview()


def test_an_account_that_isnt_allowed_stays_untouched(stack: Stack, aws: Aws) -> None:
    write(stack, aws, BUCKET, account="999999999999")
    stack.config(bucket="aegis-wrong")
    with pytest.raises(EngineError, match=f"AWS account ID not allowed: {ACCOUNT}"):
        stack.up()
    assert aws.client("s3").list_buckets()["Buckets"] == []


def test_an_unreachable_aws_is_reported_in_one_line(stack: Stack, aws: Aws) -> None:
    write(stack, aws, BUCKET, url="http://127.0.0.1:1")
    stack.config(bucket="aegis-nowhere")
    assert stack.preview().counts == {"create": 1}, "a preview of a new resource calls nothing"
    with pytest.raises(EngineError, match=r'Could not connect to the endpoint URL: "http://127\.0\.0\.1:1'):
        stack.up()
