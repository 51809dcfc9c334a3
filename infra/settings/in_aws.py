"""What AWS would refuse, or accept and never do: names over its limits, sizes, regions."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

import contracts
from infra.aws.account import LOGS, PURPOSES, REPLICATION, Account
from infra.aws.database_authorities import regions
from infra.aws.names import RefusedNameError
from infra.quantities import gibibytes, mebibytes
from infra.settings.environment import Aws, Environment
from infra.settings.model import Settings

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html, gp3 storage of PostgreSQL
_LEAST_RDS_GIB: Final = 20
_LEAST_SUBNETS: Final = 2
_DAYS_OF_PROTECTED_DATA: Final = 7
# By how the names of their regions begin; all others are AWS's public ones.
_PARTITIONS: Final = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eu-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}
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
    yield from _names(wanted, here)
    yield from _database(wanted, wanted.aws)
    yield from _boundary(wanted.aws)
    yield from _regions(wanted, wanted.aws)


def names(wanted: Settings, here: Account) -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Yield each name that the stack gives in AWS as a call that makes it, with the setting that it is made of.

    The same calls make the names of what is deployed; each raises `RefusedNameError`.
    """
    if wanted.environment is None:
        return
    environment = "environment.name", wanted.environment.name
    for make, *given in _of_environment(wanted, here):
        yield *environment, partial(make, *given)
    if wanted.artifact_store.kind == "s3":
        for index, team in enumerate(wanted.teams):
            trainer = f"{contracts.TEAM_NAMESPACE_PREFIX}{team.name}-{contracts.TRAINER_SERVICE_ACCOUNT}"
            yield f"teams[{index}].name", team.name, partial(here.role_name, trainer)


def _of_environment(wanted: Settings, here: Account) -> Iterator[tuple[Callable[..., str], *tuple[str, ...]]]:
    yield here.key_alias, "images"
    for image in contracts.IMAGES:
        yield here.repository_name, image
    for account in _service_accounts(wanted):
        yield here.role_name, f"{contracts.MLFLOW_NAMESPACE}-{account}"
    if wanted.database.kind == "rds":
        yield from ((here.database_identifier,), (here.key_alias, "database"))
    if wanted.artifact_store.kind != "s3":
        return
    replica = wanted.artifact_store.replica_region
    for region in (here.region, *([replica] if replica else [])):
        there = replace(here, region=region)
        yield there.key_alias, "buckets"
        for purpose in (*PURPOSES.values(), LOGS):
            yield there.bucket_name, purpose
    if replica:
        yield here.role_name, REPLICATION


def _service_accounts(wanted: Settings) -> Iterator[str]:
    """Yield the accounts of MLflow's namespace that get a role."""
    if wanted.database.kind == "rds":
        yield contracts.DATABASE_SETUP_SERVICE_ACCOUNT
    if wanted.database.auth == "iam":
        yield contracts.MIGRATION_SERVICE_ACCOUNT
    if wanted.artifact_store.kind == "s3":
        yield from (
            contracts.MLFLOW_SERVICE_ACCOUNT,
            contracts.BACKUP_SERVICE_ACCOUNT,
            contracts.SIGNER_SERVICE_ACCOUNT,
        )
        if wanted.release.enabled:
            yield contracts.TRAINER_SERVICE_ACCOUNT


def _names(wanted: Settings, here: Account) -> Iterator[str]:
    """Yield a line for each setting and kind of thing, about the name that is furthest over its limit."""
    refused: dict[tuple[str, str], tuple[str, RefusedNameError]] = {}
    for key, given, make in names(wanted, here):
        try:
            make()
        except RefusedNameError as error:
            kept = refused.get((key, error.kind.what))
            if kept is None or error.excess > kept[1].excess:
                refused[key, error.kind.what] = given, error
    for (key, _), (given, error) in refused.items():
        yield _refusal(key, given, error)


def _refusal(key: str, given: str, error: RefusedNameError) -> str:
    made = f'{key}: got "{given}", which makes the {error.kind.what} name {error.name}'
    if not error.excess:
        return f"{made}; allowed are {error.kind.longest} characters, {error.kind.allowed}"
    fits = len(given) - error.excess
    shorter = f"{fits} in {key}" if fits > 0 else "a shorter region or project"
    return (
        f"{made} of {len(error.name)} characters, {error.excess} too many; allowed are {error.kind.longest}, and so "
        f"{shorter}"
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
    return next((partition for prefix, partition in _PARTITIONS.items() if region.startswith(prefix)), "aws")
