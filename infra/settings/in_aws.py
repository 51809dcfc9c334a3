"""What AWS would refuse, or accept and never do: names over its limits, sizes, regions, networks."""

import ipaddress
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

import contracts
from infra.aws.account import LONGEST_BUCKET_NAME, LONGEST_ROLE_NAME, Account
from infra.aws.database_authorities import regions
from infra.quantities import gibibytes
from infra.settings.cluster import GP3_CLASS
from infra.settings.environment import Aws, Environment
from infra.settings.model import Settings

_BUCKET_PURPOSES: Final = ("artifacts", "backups", "releases", "logs")
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html, gp3 storage of PostgreSQL
_LEAST_RDS_GIB: Final = 20
# RDS refuses a maximum that is less than 10 % above the storage:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
_LEAST_GROWTH: Final = 1.1
_LEAST_SUBNETS: Final = 2
_DAYS_OF_PROTECTED_DATA: Final = 7


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
    if wanted.cluster.storage_class == GP3_CLASS and not wanted.cluster.gp3_class:
        yield f'cluster.storageClass: got "{GP3_CLASS}"; allowed with gp3Class true only, which makes it'
    yield from _regions(wanted, wanted.aws)
    for key, networks in (
        ("egress.aws", wanted.egress.aws),
        ("egress.vault", wanted.egress.vault),
        ("mlflow.clientNetworks", wanted.mlflow.client_networks),
        ("cluster.dnsNetworks", wanted.cluster.dns_networks),
    ):
        yield from _networks(key, networks)


def _names(here: Account, teams: Sequence[str]) -> Iterator[str]:
    buckets = [f"{here.name(purpose)}-{here.account_id}-{here.region}" for purpose in _BUCKET_PURPOSES]
    namespaces = [contracts.MLFLOW_NAMESPACE, *(f"{contracts.TEAM_NAMESPACE_PREFIX}{team}" for team in teams)]
    accounts = (contracts.DATABASE_SETUP_SERVICE_ACCOUNT, contracts.TRAINER_SERVICE_ACCOUNT)
    roles = [
        f"{here.name(f'{namespace}-{service_account}')}-{here.region}"
        for index, namespace in enumerate(namespaces)
        for service_account in (accounts if index == 0 else accounts[1:])
    ]
    for names, longest, what in ((buckets, LONGEST_BUCKET_NAME, "bucket"), (roles, LONGEST_ROLE_NAME, "role")):
        worst = max(names, key=len)
        if len(worst) > longest:
            yield (
                f'environment.name: got "{here.environment}", which makes the {what} name {worst} of {len(worst)} '
                f"characters; allowed are {longest}: a shorter name of the environment or of a team"
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
    least = gibibytes(database.storage) * _LEAST_GROWTH
    if gibibytes(database.storage) < _LEAST_RDS_GIB:
        yield f"database.storage: got {database.storage}; allowed with kind rds: {_LEAST_RDS_GIB}Gi to 16Ti"
    if gibibytes(database.max_storage) < least:
        yield (
            f"database.maxStorage: got {database.max_storage} with storage {database.storage}; allowed: at least "
            f"{least:.0f}Gi, 10 percent above it"
        )
    if database.subnet_ids and len(set(database.subnet_ids)) < _LEAST_SUBNETS:
        yield (
            f"database.subnetIds: got {len(database.subnet_ids)}; allowed: {_LEAST_SUBNETS} or more, in different zones"
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


def _networks(key: str, given: Sequence[str]) -> Iterator[str]:
    for one, other in combinations(given, 2):
        if ipaddress.ip_network(one).overlaps(ipaddress.ip_network(other)):
            yield f"{key}: got {one} and {other}, which overlap; allowed: networks that don't"


def _partition(region: str) -> str:
    """Return the partition of a region.

    https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
    """
    for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(prefix):
            return partition
    return "aws"
