"""The teams of an environment: each has a namespace of its own and, in AWS, a role for its trainers."""

from pulumi import ResourceOptions

import contracts
from infra.assembly import topology
from infra.assembly.cloud import Cloud
from infra.assembly.identities import identity
from infra.assembly.namespaces import closed_namespace
from infra.assembly.store_kinds import BucketStore
from infra.aws import permissions
from infra.cluster.team import Team, TeamArgs
from infra.settings import Settings
from infra.settings.workloads import Team as TeamSettings


def team_spaces(wanted: Settings, cloud: Cloud | None, buckets: BucketStore, opts: ResourceOptions) -> None:
    """Make the space of every team that the settings name."""
    for team, name in zip(wanted.teams, team_namespaces(wanted), strict=True):
        _space(wanted, team, name, cloud, buckets, opts)


def team_namespaces(wanted: Settings) -> tuple[str, ...]:
    """Return the names of the teams' namespaces."""
    return tuple(f"{contracts.TEAM_NAMESPACE_PREFIX}{team.name}" for team in wanted.teams)


def _space(
    wanted: Settings, team: TeamSettings, name: str, cloud: Cloud | None, buckets: BucketStore, opts: ResourceOptions
) -> None:
    namespace = closed_namespace(name, wanted, opts)
    servers = [topology.MLFLOW_FROM_TEAMS]
    if cloud is not None and buckets.key_arn is not None:
        servers += cloud.api
        account = cloud.account
        policy = buckets.key_arn.apply(
            lambda key: permissions.trainer(account, buckets.encrypted(key)[contracts.ARTIFACTS_BUCKET], name)
        )
        identity(f"{name}-trainer", cloud, namespace, name, contracts.TRAINER_SERVICE_ACCOUNT, policy, opts)
    Team(
        f"{name}-space",
        TeamArgs(namespace=namespace, cpu=team.cpu, memory=team.memory, gpus=team.gpus, servers=servers),
        opts,
    )
