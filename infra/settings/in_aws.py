"""What AWS would refuse, or accept and never do: names over its limits, sizes, regions."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import contracts
from infra.aws.account import LONGEST_BUCKET_NAME, LONGEST_ROLE_NAME, Account
from infra.aws.database_authorities import regions
from infra.quantities import gibibytes, mebibytes
from infra.settings.environment import Aws, Environment
from infra.settings.model import Settings

_BUCKET_PURPOSES: Final = ("artifacts", "backups", "releases", "logs")
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html, gp3 storage of PostgreSQL
_LEAST_RDS_GIB: Final = 20
_LEAST_SUBNETS: Final = 2
_DAYS_OF_PROTECTED_DATA: Final = 7
# What stands for the account in the ARN of a policy that AWS manages.
_AWS_OWN: Final = "aws"


def account(project: str, environment: Environment, aws: Aws) -> Account:
    """Return the account that the settings name, with the tags of everything in it."""
    return Account(
        project=project,
        environment=environment.name,
        account_id=aws.account_id,
        region=aws.region,
        permissions_boundary=aws.permissions_boundary,
        partition=_partition(aws.region),
        tags={
            "Project": project,
            "Environment": environment.name,
            "Owner": environment.owner,
            "CostCenter": environment.cost_center,
            "ManagedBy": "pulumi",
        },
    )


def problems(wanted: Settings, project: str) -> Iterator[str]:
    """Yield a line for each problem of a stack that has something in AWS."""
    if wanted.environment is None or wanted.aws is None:
        return
    here = account(project, wanted.environment, wanted.aws)
    yield from _names(here, [team.name for team in wanted.teams])
    yield from _database(wanted, wanted.aws)
    yield from _boundary(wanted.aws)
    yield from _regions(wanted, wanted.aws)


def _names(here: Account, teams: Sequence[str]) -> Iterator[str]:
    longest = max(_BUCKET_PURPOSES, key=len)
    bucket = f"{here.name(longest)}-{here.account_id}-{here.region}"
    yield from _length("environment.name", here.environment, "bucket", bucket, LONGEST_BUCKET_NAME)
    setup = f"{contracts.MLFLOW_NAMESPACE}-{contracts.DATABASE_SETUP_SERVICE_ACCOUNT}"
    yield from _role_length(here, "environment.name", here.environment, setup)
    for index, team in enumerate(teams):
        trainer = f"{contracts.TEAM_NAMESPACE_PREFIX}{team}-{contracts.TRAINER_SERVICE_ACCOUNT}"
        yield from _role_length(here, f"teams[{index}].name", team, trainer)


def _role_length(here: Account, key: str, given: str, purpose: str) -> Iterator[str]:
    yield from _length(key, given, "role", f"{here.name(purpose)}-{here.region}", LONGEST_ROLE_NAME)


def _length(key: str, given: str, what: str, name: str, longest: int) -> Iterator[str]:
    if len(name) > longest:
        yield (
            f'{key}: got "{given}", which makes the {what} name {name} of {len(name)} characters; allowed are '
            f"{longest}, and so {len(given) - (len(name) - longest)} in {key}"
        )


def _boundary(aws: Aws) -> Iterator[str]:
    if aws.permissions_boundary is None:
        return
    _, partition, *_, account_id, _ = aws.permissions_boundary.split(":")
    if partition != _partition(aws.region) or account_id not in (aws.account_id, _AWS_OWN):
        yield (
            f'aws.permissionsBoundary: got "{aws.permissions_boundary}"; allowed: a policy of the account '
            f"{aws.account_id} in the partition {_partition(aws.region)}, or one of AWS's own there"
        )


def _database(wanted: Settings, aws: Aws) -> Iterator[str]:
    database = wanted.database
    if database.kind == "in-cluster":
        return
    if database.authorities is None and aws.region not in regions():
        yield f'aws.region: got "{aws.region}"; allowed with RDS: {", ".join(regions())}, or set database.authorities'
    for key, size in (("storage", database.storage), ("maxStorage", database.max_storage)):
        if gibibytes(size) % 1:
            yield f"database.{key}: got {size}; allowed with kind rds: a whole number of Gi or Ti"
    if gibibytes(database.storage) < _LEAST_RDS_GIB:
        yield f"database.storage: got {database.storage}; allowed with kind rds: {_LEAST_RDS_GIB}Gi to 16Ti"
    # RDS refuses a maximum that is less than 10 % above the storage, and takes whole GiB:
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
    least = math.ceil(mebibytes(database.storage) * 11 / (10 * 1024))
    if gibibytes(database.max_storage) < least:
        yield (
            f"database.maxStorage: got {database.max_storage} with storage {database.storage}; allowed: at least "
            f"{least}Gi, 10 percent above it"
        )
    if database.subnet_ids and len(set(database.subnet_ids)) < _LEAST_SUBNETS:
        yield (
            f"database.subnetIds: got {database.subnet_ids[0]} alone; allowed: {_LEAST_SUBNETS} subnets or more, in "
            "different zones"
        )
    groups = database.client_security_group_ids
    for group in sorted({group for group in groups if groups.count(group) > 1}):
        yield f"database.clientSecurityGroupIds: got {group} {groups.count(group)} times; allowed: each once"
    if wanted.environment and wanted.environment.protected and database.backup_days < _DAYS_OF_PROTECTED_DATA:
        yield (
            f"database.backupDays: got {database.backup_days} in a protected environment; allowed: "
            f"{_DAYS_OF_PROTECTED_DATA} to 35"
        )


def _regions(wanted: Settings, aws: Aws) -> Iterator[str]:
    replica = wanted.artifact_store.replica_region
    if replica == aws.region:
        yield (
            f'artifactStore.replicaRegion: got "{replica}", where the originals are; allowed: another '
            "region than aws.region"
        )
    elif replica is not None and _partition(replica) != _partition(aws.region):
        yield (
            f'artifactStore.replicaRegion: got "{replica}"; allowed: a region of the partition {_partition(aws.region)}'
        )


def _partition(region: str) -> str:
    """Return the partition of a region.

    https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
    """
    for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(prefix):
            return partition
    return "aws"
