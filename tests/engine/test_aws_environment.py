"""An environment's AWS resources with the real engine, and the effect of changed settings on existing data."""

import textwrap
from pathlib import Path

import pytest

from tests.engine.stack import EngineError, Stack
from tests.support.aws_server import ACCOUNT, REGION, SERVICES, Aws, Network

ROOT = Path(__file__).parents[2]

PROGRAM = """
    import sys

    import pulumi
    import pulumi_aws
    from pulumi import ResourceOptions

    sys.path.insert(0, {root!r})

    from infra.limits.account import Account
    from infra.capabilities.artifacts.buckets import PlatformBuckets, PlatformBucketsArgs
    from infra.aws.database import ManagedPostgres
    from infra.aws.database_args import ManagedPostgresArgs
    from infra.aws.repositories import ImageRepositories, ImageRepositoriesArgs

    config = pulumi.Config()
    environment = config.get("environment") or "eu-prod"
    protected = config.get_bool("protected") is not False
    account = Account(
        project="aegis", environment=environment, account_id={account!r}, region={region!r},
        tags={{"Environment": environment, "Owner": "ml-platform"}},
    )
    provider = pulumi_aws.Provider(
        "account", region={region!r}, access_key="test", secret_key="test", s3_use_path_style=True,
        allowed_account_ids=[{account!r}], endpoints=[dict.fromkeys({services!r}, {url!r})],
    )
    opts = ResourceOptions(provider=provider)
    PlatformBuckets(
        "buckets",
        PlatformBucketsArgs(
            account=account, protected=protected, retention_days=config.get_int("retention") or 30, cold_after_days=90
        ),
        opts,
    )
    database = ManagedPostgres(
        "database",
        ManagedPostgresArgs(
            account=account, vpc_id={vpc!r}, client_security_group_ids=(), subnet_ids=tuple({subnets!r}),
            engine_version=config.get("version") or "15", instance_class=config.get("class") or "db.m7g.large",
            storage_gib=50, max_storage_gib=100, multi_az=True,
            backup_days=14, protected=protected, iam_authentication=True, apply_immediately=True,
        ),
        opts,
    )
    ImageRepositories("images", ImageRepositoriesArgs(account=account, images=("mlflow",), protected=protected), opts)
    pulumi.export("resource_id", database.resource_id)
"""


@pytest.fixture
def environment(stack: Stack, aws: Aws, network: Network) -> Stack:
    """A deployed, protected environment."""
    subnets = list(network.subnets)
    text = PROGRAM.format(
        root=str(ROOT), account=ACCOUNT, region=REGION, services=SERVICES, url=aws.url, vpc=network.vpc, subnets=subnets
    )
    stack.program(textwrap.dedent(text))
    stack.up()
    return stack


def buckets(aws: Aws) -> set[str]:
    return {each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]}


def servers(aws: Aws) -> dict[str, str]:
    return {
        each["DBInstanceIdentifier"]: each["DBInstanceClass"]
        for each in aws.client("rds").describe_db_instances()["DBInstances"]
    }


def changed(stack: Stack) -> dict[str, str]:
    return {name: step for name, step in stack.preview().steps.items() if step != "same"}


def test_a_deployed_environment_has_no_changes(environment: Stack) -> None:
    assert changed(environment) == {}


def test_a_new_retention_updates_only_the_lifecycle_of_the_backups(environment: Stack, aws: Aws) -> None:
    environment.config(retention="45")
    assert changed(environment) == {"buckets-backups-lifecycle": "update"}
    environment.up()
    assert changed(environment) == {}
    backups = f"aegis-eu-prod-backups-{ACCOUNT}-{REGION}"
    rules = aws.client("s3").get_bucket_lifecycle_configuration(Bucket=backups)["Rules"]
    assert [rule["Expiration"]["Days"] for rule in rules if "Days" in rule.get("Expiration", {})] == [45 + 30]


def test_a_new_instance_class_updates_only_the_database_and_in_place(environment: Stack, aws: Aws) -> None:
    before = environment.outputs()["resource_id"]
    environment.config(**{"class": "db.m7g.xlarge"})
    assert changed(environment) == {"database-server": "update"}
    environment.up()
    assert changed(environment) == {}
    assert environment.outputs()["resource_id"] == before
    assert servers(aws) == {"aegis-eu-prod-mlflow": "db.m7g.xlarge"}


def test_an_explicit_minor_version_updates_the_database_in_place_and_is_kept(environment: Stack, aws: Aws) -> None:
    environment.config(version="15.8")
    assert changed(environment) == {"database-server": "update"}
    environment.up()
    assert changed(environment) == {}
    (server,) = aws.client("rds").describe_db_instances()["DBInstances"]
    assert (server["EngineVersion"], server["AutoMinorVersionUpgrade"]) == ("15.8", False)


def test_renaming_an_environment_with_protected_data_is_refused_and_loses_nothing(environment: Stack, aws: Aws) -> None:
    before = buckets(aws), servers(aws)
    environment.config(environment="production")
    with pytest.raises(EngineError, match="marked for protection"):
        environment.preview()
    with pytest.raises(EngineError, match="marked for protection"):
        environment.up()
    assert (buckets(aws), servers(aws)) == before


def test_a_protected_environment_cant_be_destroyed(environment: Stack, aws: Aws) -> None:
    before = buckets(aws), servers(aws)
    with pytest.raises(EngineError, match="cannot be deleted"):
        environment.destroy()
    assert (buckets(aws), servers(aws)) == before


def test_an_environment_that_a_setting_unprotects_can_be_destroyed_with_its_data(environment: Stack, aws: Aws) -> None:
    environment.config(protected="false")
    environment.up()
    environment.destroy()
    assert not buckets(aws)
    assert not servers(aws)
