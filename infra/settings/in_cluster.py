"""What Kubernetes would refuse, or accept and never do: networks that overlap, a class of volumes that nobody makes."""

import ipaddress
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Final

from infra.settings.cluster import GP3_CLASS
from infra.settings.model import Settings


def _storage_class(wanted: Settings) -> Iterator[str]:
    if wanted.cluster.storage_class == GP3_CLASS and not wanted.cluster.gp3_class:
        yield f'cluster.storageClass: got "{GP3_CLASS}"; allowed with gp3Class true only, which makes it'


def _networks(wanted: Settings) -> Iterator[str]:
    for key, given in (
        ("egress.aws", wanted.egress.aws),
        ("egress.vault", wanted.egress.vault),
        ("mlflow.clientNetworks", wanted.mlflow.client_networks),
        ("cluster.dnsNetworks", wanted.cluster.dns_networks),
    ):
        for one, other in combinations(given, 2):
            if ipaddress.ip_network(one).overlaps(ipaddress.ip_network(other)):
                yield f"{key}: got {one} and {other}, which overlap; allowed: networks that don't"


CHECKS: Final[tuple[Callable[[Settings], Iterator[str]], ...]] = (_storage_class, _networks)
