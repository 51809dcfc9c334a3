"""Check that the settings of a stack work together, before any resource is created.

Each problem names a key, the conflicting values, and the allowed ones. The checks of a single capability are in its own
section.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Final

import contracts
from infra.settings import names_in_aws
from infra.settings.aws import partition
from infra.settings.model import Settings

# The account ID in the ARN of a policy that AWS manages.
_AWS_MANAGED: Final = "aws"


def problems(settings: Settings, project: str) -> list[str]:
    """Return a line for each problem, as `section.key: got VALUE; allowed: VALUES`."""
    return [
        *(problem for check in _CHECKS for problem in check(settings)),
        *(problem for capability in settings.capabilities() for problem in capability.problems(settings)),
        *(_names(settings, project) if settings.uses_aws else ()),
    ]


def _account(settings: Settings) -> Iterator[str]:
    if not settings.uses_aws:
        if settings.only_repositories:
            yield (
                "aws.onlyRepositories: got true; allowed only with a resource in AWS, such as cluster.eksName, as this "
                "stack would be emptied"
            )
        return
    if settings.environment is None:
        yield "environment: not set; allowed: an object with name, owner and costCenter (this stack uses AWS)"
    if settings.aws is None:
        yield "aws: not set; allowed: an object with accountId (this stack uses AWS)"
    elif settings.aws.emulated and settings.aws.endpoint is None:
        yield (
            "aws.endpoint: not set, with emulated true; allowed: the URL of the emulated AWS API (default: the "
            "environment variable AEGIS_AWS_ENDPOINT), as the update would go to AWS otherwise"
        )


def _boundary(settings: Settings) -> Iterator[str]:
    aws = settings.aws
    if not settings.uses_aws or aws is None or aws.permissions_boundary is None:
        return
    _, policy_partition, *_, account_id, _ = aws.permissions_boundary.split(":")
    if policy_partition != partition(aws.region) or account_id not in (aws.account_id, _AWS_MANAGED):
        yield (
            f'aws.permissionsBoundary: got "{aws.permissions_boundary}"; allowed: a policy of the account '
            f"{aws.account_id} in the partition {partition(aws.region)}, or one that AWS manages there"
        )


def _localhost(settings: Settings) -> Iterator[str]:
    if settings.localhost is None:
        return
    in_cluster = {
        **settings.servers_in_cluster,
        "s3_console": settings.servers_in_cluster["s3"],
        "gateway": settings.gateway.enabled,
        **dict.fromkeys(("prometheus", "alertmanager"), settings.monitoring.kind == "in-cluster"),
    }
    holders: dict[int, str] = {}
    for server in (name for name in contracts.LOCALHOST_PORTS if in_cluster.get(name, True)):
        port = getattr(settings.localhost, server)
        holder = holders.setdefault(port, server)
        if holder != server:
            yield f"localhost.{_camel(server)}: got {port}, the port of {_camel(holder)}; allowed: a different port"


def _networks(settings: Settings) -> Iterator[str]:
    for key, networks in (
        ("egress.aws", settings.egress.aws),
        ("egress.vault", settings.egress.vault),
        ("egress.registry", settings.egress.registry),
        ("egress.alerts", settings.egress.alerts),
        ("mlflow.clientNetworks", settings.mlflow.client_networks),
        ("gateway.clientNetworks", settings.gateway.client_networks),
        ("cluster.dnsNetworks", settings.cluster.dns_networks),
    ):
        for one, other in combinations(networks, 2):
            if ipaddress.ip_network(one).overlaps(ipaddress.ip_network(other)):
                yield f"{key}: got {one} and {other}, which overlap; allowed: networks that don't"


def _teams(settings: Settings) -> Iterator[str]:
    names = [team.name for team in settings.teams]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f'teams: got "{name}" {names.count(name)} times; allowed: each name once'


def _names(settings: Settings, project: str) -> Iterator[str]:
    if settings.environment is not None and settings.aws is not None:
        yield from names_in_aws.problems(settings, settings.aws.account(project, settings.environment))


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


_CHECKS: Final[tuple[Callable[[Settings], Iterator[str]], ...]] = (_account, _boundary, _localhost, _networks, _teams)
