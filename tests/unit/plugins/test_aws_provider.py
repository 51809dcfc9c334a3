"""Decisions of the plugin `aws` that need no call to AWS: names, diffs, replacements, previews."""

import json

import pytest

from local.plugins.aws.provider import AwsProvider
from local.plugins.provider import InvalidInputsError, PluginError
from local.plugins.values import UNKNOWN, Bag, Secret
from tests.unit.plugins.support import RecordingHost, RequestFor

BUCKET = "aws:s3/bucket:Bucket"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
ROLE = "aws:iam/role:Role"
ALIAS = "aws:kms/alias:Alias"
DATABASE = "aws:rds/instance:Instance"
PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"

INSTANCE: Bag = {"identifier": "mlflow", "engine": "postgres", "instanceClass": "db.t4g.medium", "username": "u"}
RULE: Bag = {"securityGroupId": "sg-1", "ipProtocol": "tcp", "fromPort": 5432, "toPort": 5432, "cidrIpv4": "10.0.0.0/8"}


@pytest.fixture
def provider(host: RecordingHost) -> AwsProvider:
    return AwsProvider(host)


@pytest.mark.parametrize(
    ("token", "named", "inputs", "prefix"),
    [
        (BUCKET, "bucket", {}, "my-thing-"),
        (ROLE, "name", {"assumeRolePolicy": "{}"}, "My-Thing-"),
        (ALIAS, "name", {"targetKeyId": "k"}, "alias/My-Thing-"),
        (DATABASE, "identifier", {"instanceClass": "db.t4g.medium"}, "my-thing-"),
    ],
)
def test_a_missing_name_is_generated_in_the_official_form_and_kept(
    provider: AwsProvider, request_for: RequestFor, token: str, named: str, inputs: Bag, prefix: str
) -> None:
    checked = provider.check(request_for(token, "My-Thing", inputs=inputs, seed=b"1"))
    assert checked[named].startswith(prefix)
    assert len(checked[named]) == len(prefix) + 7
    again = provider.check(request_for(token, "My-Thing", inputs=inputs, old_inputs=checked, seed=b"2"))
    assert again[named] == checked[named]


def test_a_missing_input_and_an_unknown_one_are_both_named(provider: AwsProvider, request_for: RequestFor) -> None:
    with pytest.raises(InvalidInputsError) as caught:
        provider.check(request_for(LIFECYCLE, inputs={"bucket": "b", "rule": []}))
    assert set(caught.value.failures) == {"rules", "rule"}


def test_a_rule_has_exactly_one_source(provider: AwsProvider, request_for: RequestFor) -> None:
    with pytest.raises(InvalidInputsError, match="got cidrIpv4, referencedSecurityGroupId"):
        provider.check(request_for(INGRESS, inputs=RULE | {"referencedSecurityGroupId": "sg-2"}))


def test_a_given_password_and_one_that_rds_generates_conflict(provider: AwsProvider, request_for: RequestFor) -> None:
    inputs = INSTANCE | {"password": Secret("p"), "manageMasterUserPassword": True}
    with pytest.raises(InvalidInputsError, match="conflicts"):
        provider.check(request_for(DATABASE, inputs=inputs))


def test_an_unknown_type_is_refused_with_the_known_ones(provider: AwsProvider, request_for: RequestFor) -> None:
    with pytest.raises(PluginError, match=r"sqs/queue:Queue.*s3/bucket:Bucket"):
        provider.check(request_for("aws:sqs/queue:Queue"))


def test_an_unknown_function_is_refused_with_the_known_ones(provider: AwsProvider) -> None:
    with pytest.raises(PluginError, match=r"getAmi.*getVpc"):
        provider.invoke("aws:ec2/getAmi:getAmi", {})


@pytest.mark.parametrize(
    "change",
    [
        {"instanceClass": "db.m6g.large"},
        {"allocatedStorage": 40},
        {"multiAz": True},
        {"engineVersion": "16.9"},
        {"dbSubnetGroupName": "other"},
        # Like the official plugin since version 6, whose id is RDS's resource id.
        {"identifier": "renamed"},
    ],
)
def test_a_database_changes_in_place(provider: AwsProvider, request_for: RequestFor, change: Bag) -> None:
    old = INSTANCE | {"engineVersion": "16"}
    diff = provider.diff(request_for(DATABASE, old_inputs=old, inputs=old | change))
    assert {path[0] for path in diff.changes} == set(change)
    assert not diff.replaces


@pytest.mark.parametrize(
    "change",
    [{"engine": "mysql"}, {"username": "v"}, {"storageEncrypted": True}, {"kmsKeyId": "arn"}, {"dbName": "d"}],
)
def test_a_change_that_rds_doesnt_support_replaces_the_database_and_deletes_the_old_one_first(
    provider: AwsProvider, request_for: RequestFor, change: Bag
) -> None:
    diff = provider.diff(request_for(DATABASE, old_inputs=INSTANCE, inputs=INSTANCE | change))
    assert {path[0] for path in diff.replaces} == set(change)
    assert diff.delete_before_replace, "both would have the same identifier"


def test_a_replacement_with_a_generated_name_is_created_before_the_old_one_is_deleted(
    provider: AwsProvider, request_for: RequestFor
) -> None:
    old = provider.check(request_for(GROUP, inputs={"vpcId": "vpc-1"}, seed=b"1"))
    new = provider.check(request_for(GROUP, inputs={"vpcId": "vpc-2"}, old_inputs=old, seed=b"2"))
    diff = provider.diff(request_for(GROUP, old_inputs=old, inputs=new))
    assert diff.replaces == {("vpcId",)}
    assert not diff.delete_before_replace


def test_a_new_bucket_name_replaces_the_bucket_and_new_tags_dont(
    provider: AwsProvider, request_for: RequestFor
) -> None:
    old = {"bucket": "a", "tags": {"Owner": "x"}}
    assert provider.diff(request_for(BUCKET, old_inputs=old, inputs=old | {"bucket": "b"})).replaces
    retagged = provider.diff(request_for(BUCKET, old_inputs=old, inputs=old | {"tags": {"Owner": "y"}}))
    assert set(retagged.changes) == {("tags", "Owner")}
    assert not retagged.replaces


def test_a_new_source_of_the_same_kind_updates_a_rule_and_one_of_another_kind_replaces_it(
    provider: AwsProvider, request_for: RequestFor
) -> None:
    other = RULE | {"cidrIpv4": "10.1.0.0/16"}
    assert not provider.diff(request_for(INGRESS, old_inputs=RULE, inputs=other)).replaces
    group = {name: value for name, value in RULE.items() if name != "cidrIpv4"} | {"referencedSecurityGroupId": "sg-2"}
    diff = provider.diff(request_for(INGRESS, old_inputs=RULE, inputs=group))
    assert diff.replaces == {("cidrIpv4",), ("referencedSecurityGroupId",)}


@pytest.mark.parametrize(
    ("token", "old", "new"),
    [
        (
            ROLE,
            {"name": "r", "assumeRolePolicy": '{"Statement":[{"Action":["a","b"]}]}'},
            {"name": "r", "path": "/", "assumeRolePolicy": '{"Statement": {"Action": ["b", "a"]}}'},
        ),
        (
            ALIAS,
            {"name": "alias/a", "targetKeyId": "1-2"},
            {"name": "alias/a", "targetKeyId": "arn:aws:kms:x:y:key/1-2"},
        ),
        (
            PARAMETERS,
            {"family": "f", "parameters": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]},
            {
                "family": "f",
                "parameters": [{"name": "b", "value": "2"}, {"name": "a", "value": "1", "applyMethod": "immediate"}],
            },
        ),
        (DATABASE, INSTANCE, INSTANCE | {"publiclyAccessible": False, "engine": "Postgres"}),
    ],
)
def test_equivalent_inputs_arent_a_change(
    provider: AwsProvider, request_for: RequestFor, token: str, old: Bag, new: Bag
) -> None:
    assert not provider.diff(request_for(token, old_inputs=old, inputs=new)).changes


def test_an_ignored_change_isnt_reported(provider: AwsProvider, request_for: RequestFor) -> None:
    inputs = INSTANCE | {"engineVersion": "17", "tags": {"a": "1"}}
    request = request_for(DATABASE, old_inputs=INSTANCE, inputs=inputs, ignore=(("engineVersion",), ("tags",)))
    assert not provider.diff(request).changes


def test_a_preview_of_a_new_resource_shows_its_inputs_without_calling_aws(
    provider: AwsProvider, request_for: RequestFor
) -> None:
    inputs = INSTANCE | {"kmsKeyId": UNKNOWN, "password": "p"}
    state = provider.create(request_for(DATABASE, inputs=inputs, preview=True))
    assert state.id == ""
    assert state.outputs["address"] is UNKNOWN
    assert state.outputs["kmsKeyId"] is UNKNOWN
    assert state.outputs["instanceClass"] == "db.t4g.medium"
    assert state.outputs["password"] == Secret("p"), "a password is secret even if the program didn't say so"


def test_a_preview_of_an_update_keeps_unchanged_outputs(provider: AwsProvider, request_for: RequestFor) -> None:
    state = {"address": "host", "instanceClass": "db.t4g.medium", **INSTANCE}
    request = request_for(
        DATABASE,
        id="db-1",
        old_inputs=INSTANCE,
        inputs=INSTANCE | {"instanceClass": "db.m6g.large"},
        state=state,
        preview=True,
    )
    outputs = provider.update(request).outputs
    assert (outputs["address"], outputs["instanceClass"]) == ("host", "db.m6g.large")


def test_a_policy_with_unknown_parts_is_unknown(provider: AwsProvider, request_for: RequestFor) -> None:
    policy = {"Statement": [{"Resource": [UNKNOWN]}]}
    checked = provider.check(request_for("aws:s3/bucketPolicy:BucketPolicy", inputs={"bucket": "b", "policy": policy}))
    assert checked["policy"] is UNKNOWN


def test_a_policy_object_is_converted_to_text(provider: AwsProvider, request_for: RequestFor) -> None:
    checked = provider.check(request_for(ROLE, inputs={"name": "r", "assumeRolePolicy": {"Statement": []}}))
    assert json.loads(checked["assumeRolePolicy"]) == {"Statement": []}


def test_nothing_is_called_before_the_provider_is_configured(provider: AwsProvider, request_for: RequestFor) -> None:
    with pytest.raises(PluginError, match="isn't configured yet"):
        provider.create(request_for(BUCKET, inputs={"bucket": "b"}))
