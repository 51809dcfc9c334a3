"""The network policy for DNS queries from a closed namespace."""

from typing import Any

import pytest

from tests.support.engine import ROOT, Graph, run_program, stack_config

PROD = ROOT / "stacks" / "Pulumi.prod.yaml"
NAMESPACES = ("mlflow", "serving", "team-vision", "team-language")
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


def silenced(graph: Graph) -> dict[str | None, Any]:
    """Return the pods of each namespace that may not query any names, by the policy for the others."""
    policies = [each for each in graph.of_kind("NetworkPolicy") if each.object_name == "dns"]
    return {each.namespace: each.inputs["spec"]["podSelector"] for each in policies}


def dns_rules(graph: Graph) -> dict[str | None, list[dict[str, Any]]]:
    """Return the rules for DNS queries of each namespace."""
    policies = [each for each in graph.of_kind("NetworkPolicy") if each.object_name == "dns"]
    return {each.namespace: each.inputs["spec"]["egress"] for each in policies}


def prod(**cluster: object) -> Graph:
    settings = {"eksName": "aegis-prod", "storageClass": "aegis-gp3", "gp3Class": True, **cluster}
    return run_program(stack_config(PROD, {"aegis:cluster": settings}), stack="prod")


def test_pods_may_query_only_the_clusters_dns_pods() -> None:
    assert dns_rules(prod()) == {name: [SERVERS] for name in NAMESPACES}


def test_only_model_servers_may_query_no_names() -> None:
    but_servers = {"matchExpressions": [{"key": "aegis.serving/part", "operator": "NotIn", "values": ["server"]}]}
    assert silenced(prod()) == {name: but_servers if name == "serving" else {} for name in NAMESPACES}


def test_pods_of_every_namespace_may_also_query_a_dns_cache_on_its_port() -> None:
    caches = {
        "to": [{"ipBlock": {"cidr": "169.254.20.10/32"}}, {"ipBlock": {"cidr": "172.20.0.10/32"}}],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }
    graph = prod(dnsNetworks=["169.254.20.10/32", "172.20.0.10/32"])
    assert dns_rules(graph) == {name: [SERVERS, caches] for name in NAMESPACES}
