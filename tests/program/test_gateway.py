"""The gateway: pods without rights of their own, which reach only MLflow, the model servers and the reconciler."""

from pathlib import Path
from typing import Any

import pytest
from mlflow.server.security_utils import is_allowed_host_header

import contracts
from tests.program.conftest import stack_graph
from tests.support.engine import ROOT, STACK_FILES, Graph, run_program, stack_config

LOCAL = ROOT / "stacks" / "Pulumi.local.yaml"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return stack_graph(LOCAL)


@pytest.fixture(scope="module")
def other(module_surroundings: None) -> Graph:
    """Return the graph of a gateway with none of its defaults."""
    callers = {"clientNamespaces": ["monitoring"], "clientNetworks": ["10.0.0.0/20"]}
    limits = {"mlflowTimeout": 1, "predictionTimeout": 60, "bodyLimit": "2Mi", "predictionLimit": "32Mi"}
    settings = {"enabled": True, "page": False, "cpu": "3", "memory": "4Gi", **callers, **limits}
    return run_program(stack_config(LOCAL, {"aegis:gateway": settings}))


def pod_of(graph: Graph, name: str = "gateway-server") -> dict[str, Any]:
    return next(pod for workload, pod, _ in graph.pods() if workload.name == name)


def variables(graph: Graph, name: str = "gateway-server") -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in pod_of(graph, name)["containers"][0]["env"]}


def peers(graph: Graph, policy: str, direction: str, end: str) -> list[tuple[dict[str, Any], int]]:
    rules = graph.one("NetworkPolicy", policy, "mlflow").inputs["spec"][direction]
    return [(peer, port["port"]) for rule in rules for peer in rule[end] for port in rule["ports"]]


def pods(component: str, label: str = "app.kubernetes.io/name", namespace: str | None = None) -> dict[str, Any]:
    elsewhere = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}} if namespace else {}
    return {"podSelector": {"matchLabels": {label: component}}, **elsewhere}


def namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


@pytest.mark.parametrize("stack_file", STACK_FILES, ids=lambda path: path.name)
def test_every_environment_has_one_that_no_rollout_and_no_drained_node_takes_away(stack_file: Path) -> None:
    graph = stack_graph(stack_file)
    scaling = graph.one("HorizontalPodAutoscaler", "gateway").inputs["spec"]
    assert 2 <= scaling["minReplicas"] <= scaling["maxReplicas"]
    assert graph.one("PodDisruptionBudget", "gateway").inputs["spec"]["minAvailable"] == 1
    rolling = graph.one("Deployment", "gateway").inputs["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


def test_where_it_is_switched_off_nothing_of_it_is_left(surroundings: None) -> None:
    graph = run_program(stack_config(LOCAL, {"aegis:gateway": {}}))
    assert [each.name for each in graph.resources if "gateway" in each.name] == ["mlflow-gateway-passphrase"]
    assert [policy.name for policy in graph.of_kind("NetworkPolicy") if "gateway" in str(policy.inputs)] == []
    assert "gateway_url" not in graph.outputs


def test_it_acts_with_the_rights_of_its_callers_only(graph: Graph) -> None:
    pod = pod_of(graph)
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod
    [container] = pod["containers"]
    assert container.get("envFrom", []) == []
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    assert kinds == {"emptyDir", "configMap"}


def test_it_reaches_mlflow_the_model_servers_and_the_reconciler_only(graph: Graph) -> None:
    assert peers(graph, "gateway", "egress", "to") == [
        (pods("mlflow"), 5000),
        (pods("server", "aegis.serving/part", "serving"), 8080),
        (pods("serving-reconciler", namespace="serving"), 8081),
    ]


def test_without_served_models_it_reaches_mlflow_only(surroundings: None) -> None:
    graph = run_program(stack_config(LOCAL, {"aegis:serving": {}}))
    assert peers(graph, "gateway", "egress", "to") == [(pods("mlflow"), 5000)]
    assert contracts.Env.SERVING_STATUS not in variables(graph)


def test_the_teams_reach_it_and_whom_the_settings_name(other: Graph) -> None:
    assert peers(other, "gateway", "ingress", "from") == [
        (namespace("team-demo"), 8080),
        (namespace("monitoring"), 8080),
        ({"ipBlock": {"cidr": "10.0.0.0/20"}}, 8080),
    ]


def test_mlflow_lets_it_in_under_the_name_that_it_calls(graph: Graph) -> None:
    assert (pods("gateway"), 5000) in peers(graph, "mlflow", "ingress", "from")
    address = variables(graph)[contracts.Env.TRACKING_URI]
    allowed = variables(graph, "mlflow-server")["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert address == "http://mlflow.mlflow.svc:5000"
    assert is_allowed_host_header(allowed, address.removeprefix("http://"))


def test_it_knows_its_own_names(graph: Graph) -> None:
    hosts = variables(graph)["AEGIS_GATEWAY_ALLOWED_HOSTS"].split(",")
    origins = variables(graph)["AEGIS_GATEWAY_ALLOWED_ORIGINS"].split(",")
    for host in ("gateway.mlflow.svc:8080", "localhost:8080", "gateway.aegis.test"):
        assert is_allowed_host_header(hosts, host), host
    assert not is_allowed_host_header(hosts, "evil.example.com")
    assert {"http://gateway:8080", "https://gateway.aegis.test"} <= set(origins)


def test_its_limits_are_those_of_the_settings(other: Graph) -> None:
    prefix = contracts.GATEWAY_ENV_PREFIX
    found = {
        name.removeprefix(prefix): value
        for name, value in variables(other).items()
        if name.startswith(prefix) and "ALLOWED" not in name
    }
    assert found == {
        "DEADLINE_SECONDS": "1",
        "PREDICT_SECONDS": "60",
        "MAX_BODY_BYTES": str(2 * 2**20),
        "MAX_PREDICT_BYTES": str(32 * 2**20),
        "MAX_ARTIFACT_BYTES": str(2**30),
        "DRAIN_SECONDS": "5",
        "PAGE": "false",
    }


def test_it_shows_signatures_by_the_published_keys(graph: Graph) -> None:
    pod = pod_of(graph)
    [mount] = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "signing-keys"]
    assert mount == {"name": "signing-keys", "mountPath": "/etc/aegis/signing-keys", "readOnly": True}
    assert variables(graph)[contracts.Env.TRUSTED_KEYS] == mount["mountPath"]


def test_it_stops_only_after_its_requests_have_finished(graph: Graph) -> None:
    draining = int(variables(graph)["AEGIS_GATEWAY_DRAIN_SECONDS"])
    assert pod_of(graph)["terminationGracePeriodSeconds"] > draining + 30


def test_a_session_of_the_page_stays_with_its_pod(graph: Graph, other: Graph) -> None:
    with_page, without = (each.one("Service", "gateway").inputs["spec"] for each in (graph, other))
    assert with_page["sessionAffinity"] == "ClientIP"
    assert "sessionAffinity" not in without


def test_a_large_pod_may_use_what_it_requests(other: Graph) -> None:
    resources = pod_of(other)["containers"][0]["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["cpu"]) == ("3", "3")
    assert (resources["requests"]["memory"], resources["limits"]["memory"]) == ("4Gi", "4Gi")
