"""The database on RDS: network access, encryption, logs, protection of its data, and refused arguments."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pulumi
import pytest

from infra.aws.database import ManagedPostgres, ManagedPostgresArgs, final_snapshot
from infra.limits.account import Account
from tests.support.aws_mocks import ACCOUNT_ID, REGION
from tests.support.engine import Graph, Registered, run

ACCOUNT = Account(
    project="aegis",
    environment="prod",
    account_id=ACCOUNT_ID,
    region=REGION,
    tags={"Environment": "prod", "Owner": "platform", "CostCenter": "4711"},
)
ARGS = ManagedPostgresArgs(
    account=ACCOUNT,
    vpc_id="vpc-0a1b2c3d",
    client_security_group_ids=("sg-cluster",),
    subnet_ids=("subnet-a", "subnet-b"),
    instance_class="db.m7g.large",
    storage_gib=50,
    max_storage_gib=200,
    multi_az=True,
    backup_days=14,
    protected=True,
    iam_authentication=True,
)


def build(args: ManagedPostgresArgs = ARGS, *, preview: bool = False) -> Graph:
    def program() -> None:
        database = ManagedPostgres("database", args)
        pulumi.export("host", database.host)
        pulumi.export("port", database.port)
        pulumi.export("resource_id", database.resource_id)
        pulumi.export("admin_secret_arn", database.admin_secret_arn)
        pulumi.export("key_arn", database.key_arn)

    return run(program, {}, stack="prod", preview=preview)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build()


@pytest.fixture(scope="module")
def server(graph: Graph) -> Registered:
    return graph.one("Instance")


def test_only_the_clusters_security_group_may_connect_and_only_to_postgresql(graph: Graph) -> None:
    group, rule = graph.one("SecurityGroup"), graph.one("SecurityGroupIngressRule")
    assert not {"ingress", "egress"} & group.inputs.keys()
    allowed = {key: rule.inputs[key] for key in rule.inputs if key not in ("description", "tags")}
    assert allowed == {
        "securityGroupId": f"{group.name}-id",
        "referencedSecurityGroupId": "sg-cluster",
        "ipProtocol": "tcp",
        "fromPort": 5432,
        "toPort": 5432,
    }


def test_the_databases_security_group_has_no_egress(graph: Graph) -> None:
    assert graph.of_kind("SecurityGroupEgressRule", "SecurityGroupRule") == []


def test_the_server_is_in_that_security_group_alone_and_not_public(graph: Graph, server: Registered) -> None:
    assert server.inputs["vpcSecurityGroupIds"] == [f"{graph.one('SecurityGroup').name}-id"]
    assert server.inputs["publiclyAccessible"] is False
    assert server.inputs["dbSubnetGroupName"] == f"{graph.one('SubnetGroup').name}-0a1b2c3d"


def test_descriptions_have_only_characters_that_ec2_allows(graph: Graph) -> None:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html."""
    for each in graph.of_kind("SecurityGroup", "SecurityGroupIngressRule"):
        assert re.fullmatch(r"[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}", each.inputs["description"])


def test_everything_at_rest_is_encrypted_with_the_databases_own_key(graph: Graph, server: Registered) -> None:
    arn = graph.outputs["key_arn"]
    assert server.inputs["storageEncrypted"] is True
    keys = ("kmsKeyId", "masterUserSecretKmsKeyId", "performanceInsightsKmsKeyId")
    assert [server.inputs[key] for key in keys] == [arn] * 3


def test_the_servers_logs_expire_and_are_encrypted_with_its_key(graph: Graph) -> None:
    groups = {each.inputs["name"]: each.inputs for each in graph.of_kind("LogGroup")}
    assert groups.keys() == {f"/aws/rds/instance/aegis-prod-mlflow/{log}" for log in ("postgresql", "upgrade")}
    assert {each["retentionInDays"] for each in groups.values()} == {90}
    assert {each["kmsKeyId"] for each in groups.values()} == {graph.outputs["key_arn"]}
    assert build(replace(ARGS, log_days=365)).of_kind("LogGroup")[0].inputs["retentionInDays"] == 365


def test_cloudwatch_may_use_the_key_only_for_those_logs(graph: Graph) -> None:
    statements = json.loads(graph.one("Key").inputs["policy"])["Statement"]
    (logs,) = [each for each in statements if each["Principal"] == {"Service": f"logs.{REGION}.amazonaws.com"}]
    arns = logs["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]
    names = {each.inputs["name"] for each in graph.of_kind("LogGroup")}
    assert set(arns) == {f"arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{name}" for name in names}


def test_the_log_group_of_every_exported_log_exists_before_the_server(graph: Graph, server: Registered) -> None:
    groups = graph.of_kind("LogGroup")
    exported = set(server.inputs["enabledCloudwatchLogsExports"])
    assert {each.inputs["name"].rpartition("/")[2] for each in groups} == exported
    assert {each.urn for each in groups} <= server.depends_on


def test_rds_manages_the_administrators_password(graph: Graph, server: Registered) -> None:
    assert server.inputs["manageMasterUserPassword"] is True
    assert "password" not in server.inputs
    assert graph.of_kind("RandomPassword") == []


def test_connections_without_tls_or_by_md5_are_refused_and_all_are_logged(graph: Graph) -> None:
    group = graph.one("ParameterGroup")
    values = {each["name"]: each["value"] for each in group.inputs["parameters"]}
    assert group.inputs["family"] == "postgres15"
    assert values["rds.force_ssl"] == "1"
    assert values["rds.accepted_password_auth_method"] == "scram"
    assert values["log_connections"] == values["log_disconnections"] == "1"


def test_statements_that_may_contain_a_password_are_not_logged(graph: Graph) -> None:
    parameters: list[dict[str, Any]] = graph.one("ParameterGroup").inputs["parameters"]
    assert "log_statement" not in {each["name"] for each in parameters}


def test_the_server_uses_that_parameter_group_and_a_certificate_of_the_regions_authority(
    graph: Graph, server: Registered
) -> None:
    assert server.inputs["parameterGroupName"] == f"{graph.one('ParameterGroup').name}-0a1b2c3d"
    assert server.inputs["caCertIdentifier"] == "rds-ca-rsa2048-g1"


def test_aws_roles_may_log_in_if_the_arguments_say_so(server: Registered) -> None:
    assert server.inputs["iamDatabaseAuthenticationEnabled"] is True
    by_password = build(replace(ARGS, iam_authentication=False)).one("Instance")
    assert by_password.inputs["iamDatabaseAuthenticationEnabled"] is False


def test_protected_data_survives_a_destroy(server: Registered) -> None:
    assert server.protect
    assert server.inputs["deletionProtection"] is True
    assert server.inputs["deleteAutomatedBackups"] is False
    assert server.inputs["skipFinalSnapshot"] is False


def test_the_final_snapshot_of_a_server_does_not_collide_with_that_of_its_predecessor(
    graph: Graph, server: Registered
) -> None:
    assert server.inputs["finalSnapshotIdentifier"] == final_snapshot("aegis-prod-mlflow", graph.outputs["key_arn"])
    key = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-"
    first, second = (final_snapshot("aegis-prod-mlflow", f"{key}{last}") for last in ("1234567890ab", "1234567890ac"))
    assert first != second
    # https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html
    assert re.fullmatch(r"[A-Za-z](-?[A-Za-z0-9]){0,254}", first)


def test_the_key_of_the_final_snapshot_is_retained() -> None:
    retained = {
        protected: build(replace(ARGS, protected=protected)).one("Key").retain_on_delete for protected in (True, False)
    }
    assert retained == {True: True, False: False}


def test_the_snapshots_name_is_the_same_in_every_preview(server: Registered) -> None:
    assert build().one("Instance").inputs["finalSnapshotIdentifier"] == server.inputs["finalSnapshotIdentifier"]


def test_unprotected_data_is_deleted_with_the_stack() -> None:
    graph = build(replace(ARGS, protected=False, backup_days=1))
    server = graph.one("Instance")
    assert [each.name for each in graph.resources if each.protect] == []
    assert server.inputs["deletionProtection"] is False
    assert server.inputs["deleteAutomatedBackups"] is True
    assert server.inputs["skipFinalSnapshot"] is True
    assert "finalSnapshotIdentifier" not in server.inputs


def test_a_server_is_deleted_before_its_replacement_of_the_same_name_is_created(server: Registered) -> None:
    assert server.inputs["identifier"] == "aegis-prod-mlflow"
    assert server.delete_before_replace


def minutes(clock: str) -> int:
    hours, _, rest = clock.partition(":")
    return int(hours) * 60 + int(rest)


def test_backups_maintenance_and_mlflows_own_backup_never_run_at_the_same_time(server: Registered) -> None:
    backup = server.inputs["backupWindow"].split("-")
    maintenance = [day.partition(":")[2] for day in server.inputs["maintenanceWindow"].split("-")]
    windows = sorted([minutes(start), minutes(end)] for start, end in (backup, maintenance, ("02:00", "07:00")))
    assert all(end - start >= 30 for start, end in windows)
    assert all(before[1] <= after[0] for before, after in pairwise(windows))


def test_minor_versions_are_upgraded_automatically_and_major_ones_never(server: Registered) -> None:
    assert server.inputs["engineVersion"] == "15"
    assert server.inputs["autoMinorVersionUpgrade"] is True
    assert server.inputs["allowMajorVersionUpgrade"] is False


def test_a_pinned_minor_version_stays_and_uses_the_parameters_of_its_major_version() -> None:
    graph = build(replace(ARGS, engine_version="15.8"))
    assert graph.one("Instance").inputs["engineVersion"] == "15.8"
    assert graph.one("Instance").inputs["autoMinorVersionUpgrade"] is False
    assert graph.one("ParameterGroup").inputs["family"] == "postgres15"


def test_a_change_waits_for_the_maintenance_window_unless_it_is_applied_immediately(server: Registered) -> None:
    assert server.inputs["applyImmediately"] is False
    assert build(replace(ARGS, apply_immediately=True)).one("Instance").inputs["applyImmediately"] is True


def test_a_larger_class_changes_only_the_server(graph: Graph) -> None:
    larger = build(replace(ARGS, instance_class="db.m7g.xlarge"))
    before = {each.urn: each.inputs for each in graph.resources}
    assert [each.name for each in larger.resources if before[each.urn] != each.inputs] == ["database-server"]


@pytest.mark.parametrize(("gib", "performance"), [(399, (None, None)), (400, (12_000, 500)), (4000, (12_000, 500))])
def test_storage_that_rds_stripes_has_the_performance_that_it_includes(
    gib: int, performance: tuple[int | None, ...]
) -> None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage."""
    server = build(replace(ARGS, storage_gib=gib, max_storage_gib=0)).one("Instance")
    assert (server.inputs.get("iops"), server.inputs.get("storageThroughput")) == performance


def test_every_resource_that_takes_tags_has_those_of_the_environment(graph: Graph) -> None:
    untagged = [each.name for each in graph.custom() if each.kind != "Alias" and each.inputs["tags"] != ACCOUNT.tags]
    assert untagged == []


def test_the_component_gives_its_address_and_its_arns(graph: Graph) -> None:
    assert graph.outputs["host"].startswith("aegis-prod-mlflow.")
    assert graph.outputs["port"] == 5432
    assert graph.outputs["resource_id"].startswith("db-")
    assert graph.outputs["admin_secret_arn"].startswith(f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:rds!db-")


def test_the_first_preview_runs_although_nothing_is_known(graph: Graph) -> None:
    assert {each.urn for each in build(preview=True).resources} == {each.urn for each in graph.resources}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"instance_class": "db.m7g.big"}, "instance class must be db.FAMILY.SIZE .*, got 'db.m7g.big'"),
        ({"storage_gib": 19}, "storage_gib must be 20 to 65536, got 19"),
        ({"storage_gib": 65537, "max_storage_gib": 0}, "storage_gib must be 20 to 65536, got 65537"),
        ({"max_storage_gib": 54}, r"max_storage_gib must be 0, or 55 \(110 % of storage_gib\) to 65536, got 54"),
        ({"max_storage_gib": 65537}, "max_storage_gib must be .*, got 65537"),
        ({"max_storage_gib": -1}, "max_storage_gib must be .*, got -1"),
        ({"backup_days": 6}, "backup_days must be 7 to 35, got 6"),
        ({"backup_days": 36}, "backup_days must be 7 to 35, got 36"),
        ({"backup_days": 0, "protected": False}, "backup_days must be 1 to 35, got 0"),
        ({"subnet_ids": ("subnet-a",)}, "subnet_ids must be 2 subnets or more, in two zones, got"),
        ({"subnet_ids": ("subnet-a", "subnet-a")}, "subnet_ids must be 2 subnets or more, in two zones, got"),
        ({"log_days": 0}, "log_days must be one of 1, 3, 5, 7, 14, 30, 60, 90,.*, got 0"),
        ({"engine_version": "16"}, "version must be \"15\", or with RDS one of its minor versions.*, got '16'"),
        (
            {"account": replace(ACCOUNT, environment="p" * 60)},
            "name must be at most 63 characters, got 73: 'aegis-p+-mlflow'",
        ),
        (
            {"account": replace(ACCOUNT, environment="prod--eu")},
            "name must be at most 63 characters, lower-case letters, .*, got 'aegis-prod--eu-mlflow'",
        ),
        ({"account": replace(ACCOUNT, project="1st")}, "RDS instance name must be .*, got '1st-prod-mlflow'"),
    ],
)
def test_arguments_that_rds_would_refuse_are_refused_before_anything_is_created(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        replace(ARGS, **changes)


@pytest.mark.parametrize(("storage", "maximum"), [(20, 22), (20, 0), (65536, 0), (50, 55), (51, 57)])
def test_the_limits_of_the_storage_are_accepted(storage: int, maximum: int) -> None:
    assert replace(ARGS, storage_gib=storage, max_storage_gib=maximum).storage_gib == storage
