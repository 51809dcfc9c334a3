"""Operations of the plugin `aws` that the engine tests don't cover: partial failures, imports, renames."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.plugins.aws.provider import AwsProvider
from local.plugins.provider import NotReadyError, PluginError, State
from local.plugins.values import Bag
from tests.support.aws_server import ACCOUNT, REGION, SERVICES, Aws
from tests.unit.plugins.support import RecordingHost, RequestFor

BUCKET = "aws:s3/bucket:Bucket"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
KEY = "aws:kms/key:Key"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
REPOSITORY = "aws:ecr/repository:Repository"
DATABASE = "aws:rds/instance:Instance"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TOPIC = "aws:sns/topic:Topic"

TRUST = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture(scope="module")
def server() -> Iterator[Aws]:
    aws = Aws()
    yield aws
    aws.stop()


@pytest.fixture
def aws(server: Aws) -> Aws:
    server.reset()
    return server


def configured(aws: Aws, host: RecordingHost, **more: Any) -> AwsProvider:
    provider = AwsProvider(host)
    endpoints = [dict.fromkeys(SERVICES, aws.url)]
    config = {"region": REGION, "accessKey": "k", "secretKey": "s", "endpoints": endpoints, "s3UsePathStyle": "true"}
    provider.configure(config | more)
    return provider


@pytest.fixture
def provider(aws: Aws, host: RecordingHost) -> AwsProvider:
    return configured(aws, host)


def create(provider: AwsProvider, request_for: RequestFor, token: str, inputs: Bag) -> State:
    return provider.create(request_for(token, inputs=inputs))


def change(provider: AwsProvider, request_for: RequestFor, token: str, old: Bag, new: Bag, state: State) -> State:
    return provider.update(request_for(token, id=state.id, old_inputs=old, inputs=new, state=state.outputs))


def test_a_partly_created_resource_is_kept_and_completed_by_the_next_update(
    provider: AwsProvider, request_for: RequestFor, aws: Aws
) -> None:
    wrong = {"bucket": "aegis", "tags": {"aws:mine": "no"}}
    with pytest.raises(NotReadyError, match="setting up Bucket thing: PutBucketTagging") as caught:
        create(provider, request_for, BUCKET, wrong)
    assert caught.value.state.id == "aegis"
    right = wrong | {"tags": {"mine": "yes"}}
    # The state already contains the right tags.
    change(provider, request_for, BUCKET, right, right, caught.value.state)
    assert aws.client("s3").get_bucket_tagging(Bucket="aegis")["TagSet"] == [{"Key": "mine", "Value": "yes"}]


def test_an_update_keeps_ignored_properties(provider: AwsProvider, request_for: RequestFor, aws: Aws) -> None:
    old = {"name": "r", "assumeRolePolicy": TRUST, "tags": {"Owner": "a"}}
    state = create(provider, request_for, ROLE, old)
    aws.client("iam").tag_role(RoleName="r", Tags=[{"Key": "Owner", "Value": "the cost tool"}])
    new = old | {"description": "another"}
    request = request_for(ROLE, id="r", old_inputs=old, inputs=new, state=state.outputs, ignore=(("tags",),))
    provider.update(request)
    role = aws.client("iam").get_role(RoleName="r")["Role"]
    assert (role["Description"], role["Tags"]) == ("another", [{"Key": "Owner", "Value": "the cost tool"}])


def test_removed_tags_are_deleted(provider: AwsProvider, request_for: RequestFor, aws: Aws) -> None:
    old = {"name": "aegis/mlflow", "tags": {"Owner": "a", "CostCenter": "b"}}
    state = create(provider, request_for, REPOSITORY, old)
    changed = change(provider, request_for, REPOSITORY, old, {"name": "aegis/mlflow", "tags": {"Owner": "c"}}, state)
    assert changed.outputs["tagsAll"] == {"Owner": "c"}


def test_an_import_reads_every_set_input(provider: AwsProvider, request_for: RequestFor, aws: Aws) -> None:
    trust = '{"Version":"2012-10-17","Statement":[]}'
    aws.client("iam").create_role(RoleName="r", Path="/aegis/", AssumeRolePolicyDocument=trust)
    state = provider.read(request_for(ROLE, id="r"))
    assert state is not None
    assert state.inputs == {"name": "r", "path": "/aegis/", "assumeRolePolicy": trust, "maxSessionDuration": 3600}
    assert state.outputs["arn"] == f"arn:aws:iam::{ACCOUNT}:role/aegis/r"


def test_a_refresh_shows_an_option_that_was_turned_on_by_hand(
    provider: AwsProvider, request_for: RequestFor, aws: Aws
) -> None:
    inputs = {
        "identifier": "mlflow",
        "engine": "postgres",
        "instanceClass": "db.t4g.medium",
        "username": "u",
        "password": "p",
        "allocatedStorage": 20,
    }
    state = create(provider, request_for, DATABASE, inputs)
    aws.client("rds").modify_db_instance(DBInstanceIdentifier="mlflow", PubliclyAccessible=True)
    refreshed = provider.read(request_for(DATABASE, id=state.id, inputs=inputs, state=state.outputs))
    assert refreshed is not None
    assert refreshed.inputs == inputs | {"publiclyAccessible": True}


def test_a_database_is_renamed_in_place(provider: AwsProvider, request_for: RequestFor, aws: Aws) -> None:
    old = {
        "identifier": "mlflow",
        "engine": "postgres",
        "instanceClass": "db.t4g.medium",
        "username": "u",
        "manageMasterUserPassword": True,
        "allocatedStorage": 20,
        "applyImmediately": True,
    }
    state = create(provider, request_for, DATABASE, old)
    changed = change(provider, request_for, DATABASE, old, old | {"identifier": "tracking"}, state)
    assert changed.outputs["arn"].endswith(":db:tracking")
    assert [each["DBInstanceIdentifier"] for each in aws.client("rds").describe_db_instances()["DBInstances"]] == [
        "tracking"
    ]


def test_a_database_without_a_name_for_its_final_snapshot_isnt_deleted(
    provider: AwsProvider, request_for: RequestFor, aws: Aws
) -> None:
    inputs = {
        "identifier": "mlflow",
        "engine": "postgres",
        "instanceClass": "db.t4g.medium",
        "username": "u",
        "manageMasterUserPassword": True,
        "allocatedStorage": 20,
    }
    state = create(provider, request_for, DATABASE, inputs)
    with pytest.raises(PluginError, match="finalSnapshotIdentifier is required when skipFinalSnapshot is false"):
        provider.delete(request_for(DATABASE, id=state.id, inputs=inputs, state=state.outputs))
    assert aws.client("rds").describe_db_instances()["DBInstances"]


def test_a_log_groups_retention_and_tags_change_and_skip_destroy_keeps_it(
    provider: AwsProvider, request_for: RequestFor, aws: Aws
) -> None:
    old = {"name": "/aegis", "retentionInDays": 30, "tags": {"Owner": "a"}, "skipDestroy": True}
    state = create(provider, request_for, LOG_GROUP, old)
    # Another group whose name has the same prefix.
    aws.client("logs").create_log_group(logGroupName="/aegis-2")
    new = {"name": "/aegis", "tags": {"CostCenter": "b"}, "skipDestroy": True}
    changed = change(provider, request_for, LOG_GROUP, old, new, state)
    assert changed.outputs["tagsAll"] == {"CostCenter": "b"}
    assert changed.outputs["retentionInDays"] == 0
    provider.delete(request_for(LOG_GROUP, id="/aegis", inputs=new, state=changed.outputs))
    groups = aws.client("logs").describe_log_groups()["logGroups"]
    assert {each["logGroupName"]: "retentionInDays" in each for each in groups} == {"/aegis": False, "/aegis-2": False}


def test_an_alarm_is_overwritten_in_place_and_its_tags_follow(
    provider: AwsProvider, request_for: RequestFor, aws: Aws
) -> None:
    topic = create(provider, request_for, TOPIC, {"name": "alarms", "tags": {"Owner": "a"}})
    old = {
        "name": "storage",
        "namespace": "AWS/RDS",
        "metricName": "FreeStorageSpace",
        "dimensions": {"DBInstanceIdentifier": "mlflow"},
        "statistic": "Average",
        "period": 300.0,
        "evaluationPeriods": 6.0,
        "threshold": 100.0,
        "comparisonOperator": "LessThanThreshold",
        "alarmActions": [topic.outputs["arn"]],
        "tags": {"Owner": "a"},
    }
    state = create(provider, request_for, ALARM, old)
    new = {**old, "threshold": 50.0, "evaluationPeriods": 3.0, "tags": {"CostCenter": "b"}}
    changed = change(provider, request_for, ALARM, old, new, state)
    assert changed.outputs["tagsAll"] == {"CostCenter": "b"}
    [alarm] = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (50, 3)
    assert alarm["AlarmActions"] == [topic.outputs["arn"]]
    provider.delete(request_for(ALARM, id=state.id, inputs=new, state=changed.outputs))
    assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []


def test_a_topic_s_tags_change_in_place(provider: AwsProvider, request_for: RequestFor, aws: Aws) -> None:
    old, new = ({"name": "alarms", "tags": tags} for tags in ({"Owner": "a"}, {"CostCenter": "b"}))
    state = create(provider, request_for, TOPIC, old)
    changed = change(provider, request_for, TOPIC, old, new, state)
    assert changed.outputs["tagsAll"] == {"CostCenter": "b"}
    provider.delete(request_for(TOPIC, id=state.id, inputs=new, state=changed.outputs))
    assert aws.client("sns").list_topics()["Topics"] == []


def test_a_missing_resource_reads_as_none_and_deleting_it_succeeds(
    provider: AwsProvider, request_for: RequestFor
) -> None:
    bucket = {"bucket": "gone", "versioningConfiguration": {"status": "Enabled"}, "rules": []}
    policy = {"role": "gone", "name": "gone", "policy": TRUST}
    for token, identity, inputs in (
        (BUCKET, "gone", {"bucket": "gone"}),
        (VERSIONING, "gone", bucket),
        (LIFECYCLE, "gone", bucket),
        (KEY, "00000000-0000-0000-0000-000000000000", {}),
        (ROLE, "gone", {"name": "gone"}),
        (ROLE_POLICY, "gone:gone", policy),
        (REPOSITORY, "gone", {"name": "gone"}),
        (DATABASE, "db-GONE", {"identifier": "gone"}),
        (LOG_GROUP, "gone", {"name": "gone"}),
        (ALARM, "gone", {"name": "gone", "comparisonOperator": "LessThanThreshold", "evaluationPeriods": 1}),
        (TOPIC, f"arn:aws:sns:{REGION}:{ACCOUNT}:gone", {"name": "gone"}),
    ):
        request = request_for(token, id=identity, inputs=inputs, state=inputs)
        assert provider.read(request) is None, token
        provider.delete(request)


def test_a_resource_may_be_in_another_region_than_the_provider(
    provider: AwsProvider, request_for: RequestFor, aws: Aws
) -> None:
    state = create(provider, request_for, BUCKET, {"bucket": "far", "region": "eu-west-1"})
    assert state.outputs["bucketRegion"] == state.outputs["region"] == "eu-west-1"
    assert aws.client("s3").get_bucket_location(Bucket="far")["LocationConstraint"] == "eu-west-1"


def test_an_existing_bucket_isnt_taken_over(provider: AwsProvider, request_for: RequestFor) -> None:
    create(provider, request_for, BUCKET, {"bucket": "aegis"})
    with pytest.raises(PluginError, match="aegis: BucketAlreadyOwnedByYou"):
        create(provider, request_for, BUCKET, {"bucket": "aegis"})


def test_a_filter_with_two_criteria_is_read_back_unchanged(provider: AwsProvider, request_for: RequestFor) -> None:
    create(provider, request_for, BUCKET, {"bucket": "aegis"})
    both = {"and": {"prefix": "mlflow/", "tags": {"kind": "draft"}}}
    rules = [{"id": "drafts", "status": "Enabled", "filter": both, "expiration": {"days": 1}}]
    inputs = {"bucket": "aegis", "rules": rules}
    state = create(provider, request_for, LIFECYCLE, inputs)
    refreshed = provider.read(request_for(LIFECYCLE, id=state.id, inputs=inputs, state=state.outputs))
    assert refreshed is not None
    assert refreshed.inputs == inputs


def test_a_service_without_an_endpoint_is_named(aws: Aws, host: RecordingHost, request_for: RequestFor) -> None:
    provider = configured(aws, host, endpoints=[{"s3": aws.url, "sts": aws.url}])
    with pytest.raises(PluginError, match="the provider has no endpoint for 'kms', only for s3, sts"):
        create(provider, request_for, KEY, {})


def test_a_wrong_account_is_refused_before_anything_is_created(
    aws: Aws, host: RecordingHost, request_for: RequestFor
) -> None:
    provider = configured(aws, host, allowedAccountIds='["999999999999"]')
    with pytest.raises(PluginError, match=f"AWS account ID not allowed: {ACCOUNT}; allowed are 999999999999"):
        create(provider, request_for, BUCKET, {"bucket": "aegis"})
    assert aws.client("s3").list_buckets()["Buckets"] == []
