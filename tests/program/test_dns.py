"""Where the pods of a closed namespace may look names up."""

from typing import Any

import pytest

from tests.support.engine import ROOT, Graph, run_program, stack_config

PROD = ROOT / "stacks" / "Pulumi.prod.yaml"
NAMESPACES = ("mlflow", "team-vision", "team-language")
SERVERS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ]
}


@pytest.fixture(autouse=True)
def _surroundings(surroundings: None) -> None:
    pass


def look_ups(graph: Graph) -> dict[str | None, list[dict[str, Any]]]:
    """The rules for name look-ups of each namespace."""
    policies = [each for each in graph.of_kind("NetworkPolicy") if each.object_name == "dns"]
    return {each.namespace: each.inputs["spec"]["egress"] for each in policies}


def prod(**cluster: object) -> Graph:
    settings = {"eksName": "aegis-prod", "storageClass": "aegis-gp3", "gp3Class": True, **cluster}
    return run_program(stack_config(PROD, {"aegis:cluster": settings}), stack="prod")


def test_names_are_looked_up_at_the_clusters_dns_pods_alone() -> None:
    assert look_ups(prod()) == {name: [SERVERS] for name in NAMESPACES}


def test_a_dns_cache_on_the_nodes_is_reached_on_its_port_from_every_namespace() -> None:
    caches = {
        "to": [{"ipBlock": {"cidr": "169.254.20.10/32"}}, {"ipBlock": {"cidr": "172.20.0.10/32"}}],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }
    graph = prod(dnsNetworks=["169.254.20.10/32", "172.20.0.10/32"])
    assert look_ups(graph) == {name: [SERVERS, caches] for name in NAMESPACES}
