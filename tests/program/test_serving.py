"""The served models: what the stack wants, the reconciler's rights, and the policies of the pods that it makes."""

import json
from pathlib import Path
from typing import Any

import pytest

import contracts
from tests.program.conftest import stack_graph
from tests.support.engine import PUBLIC_KEY, ROOT, STACK_FILES, Graph, run_program, stack_config

LOCAL = ROOT / "stacks" / "Pulumi.local.yaml"
DEV = ROOT / "stacks" / "Pulumi.dev.yaml"
PART = "aegis.serving/part"
MODELS = [
    {"name": "digits", "replicas": 3, "cpu": "250m", "memory": "2Gi", "canary": None},
    {"name": "Fraud Detector v2.1", "version": 4},
    {"name": "fraud-detector-v2-1", "alias": "production", "canary": {"percent": 25, "maxErrorRate": 0}},
]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return stack_graph(LOCAL)


@pytest.fixture(scope="module")
def other(module_surroundings: None) -> Graph:
    """Return the graph of served models with none of the defaults."""
    settings = {
        "enabled": True,
        "models": MODELS,
        "delivery": "image",
        "repository": "registry.example.com:5443/aegis/models",
        "kserve": "off",
        "unverified": "remove",
        "watch": {"privacy": "off", "rate": 0.5},
        "clientNamespaces": ["monitoring"],
    }
    return run_program(stack_config(LOCAL, {"aegis:serving": settings, "aegis:egress": {"registry": ["10.9.0.0/16"]}}))


def pod_of(graph: Graph) -> dict[str, Any]:
    return next(pod for workload, pod, _ in graph.pods() if workload.name == "serving-reconciler-server")


def variables(graph: Graph) -> dict[str, str]:
    return {each["name"]: each["value"] for each in pod_of(graph)["containers"][0]["env"]}


def policy(graph: Graph, name: str) -> dict[str, Any]:
    return graph.one("NetworkPolicy", name, "serving").inputs["spec"]


def ends(rules: list[dict[str, Any]], end: str) -> set[tuple[str, int]]:
    """Return the names of the peers in the rules of a policy, and their ports."""
    return {
        (name_of(peer), port["port"])
        for rule in rules
        for peer in (rule.get(end) or [{}])
        for port in rule.get("ports", [])
    }


def name_of(peer: dict[str, Any]) -> str:
    if "ipBlock" in peer:
        return peer["ipBlock"]["cidr"]
    labels = peer.get("podSelector", {}).get("matchLabels", {})
    namespace = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name", "")
    return "/".join(filter(None, (namespace, *labels.values()))) or "anywhere"


def wanted(graph: Graph) -> list[dict[str, Any]]:
    maps = [each.inputs for each in graph.of_kind("ConfigMap") if contracts.WANTED_KEY in each.inputs["data"]]
    assert all(each["metadata"]["namespace"] == "serving" for each in maps)
    labels = {"aegis.serving/wanted": "true", "aegis.serving/source": "stack"}
    assert all(labels.items() <= each["metadata"]["labels"].items() for each in maps)
    return [json.loads(each["data"]["wanted.json"]) for each in maps]


def rights(graph: Graph) -> dict[tuple[str, str], set[str]]:
    """Return the verbs that the reconciler may use, by group and resource."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in graph.one("Role", "serving-reconciler").inputs["rules"]:
        for resource in rule["resources"]:
            found.setdefault((rule["apiGroups"][0], resource), set()).update(rule["verbs"])
    return found


@pytest.mark.parametrize("stack_file", STACK_FILES, ids=lambda path: path.name)
def test_every_environment_has_two_reconcilers(stack_file: Path) -> None:
    graph = stack_graph(stack_file)
    assert graph.one("Deployment", "serving-reconciler", "serving").inputs["spec"]["replicas"] == 2
    assert graph.one("PodDisruptionBudget", "serving-reconciler").inputs["spec"]["minAvailable"] == 1


def test_where_it_is_switched_off_nothing_of_it_is_left(surroundings: None) -> None:
    graph = run_program(stack_config(LOCAL, {"aegis:serving": {"models": MODELS}}))
    assert [each.name for each in graph.resources if "serving" in each.name or "reconciler" in each.name] == []
    assert [each.name for each in graph.of_kind("NetworkPolicy") if "serving" in str(each.inputs)] == []


def test_the_local_stack_serves_the_champion_of_the_model_that_it_releases(graph: Graph) -> None:
    [model] = wanted(graph)
    assert (model["model"], model["alias"], model["version"]) == (graph.outputs["model_name"], "champion", None)


def test_each_model_of_the_settings_is_wanted_in_the_reconciler_s_words(other: Graph) -> None:
    usual = {"replicas": 2, "resources": {"cpu": "500m", "memory": "1Gi"}}
    trial = {"percent": 10, "seconds": 10, "max_error_rate": 0.02, "max_latency_ratio": 2.0}
    found = {each.pop("model"): each for each in wanted(other)}
    assert found == {
        "digits": {
            "alias": "champion",
            "version": None,
            "replicas": 3,
            "resources": {"cpu": "250m", "memory": "2Gi"},
            "canary": None,
        },
        "Fraud Detector v2.1": {"alias": None, "version": "4", **usual, "canary": trial},
        "fraud-detector-v2-1": {
            "alias": "production",
            "version": None,
            **usual,
            "canary": {**trial, "percent": 25, "max_error_rate": 0},
        },
    }


def test_models_with_similar_names_have_objects_of_their_own_that_change_in_place(other: Graph) -> None:
    maps = [each for each in other.of_kind("ConfigMap") if contracts.WANTED_KEY in each.inputs["data"]]
    assert len({each.object_name for each in maps}) == len(MODELS)
    assert all(each.provider.endswith("::cluster-in-place") for each in maps)


def test_the_reconciler_has_only_the_rights_that_it_uses_and_only_in_its_namespace(graph: Graph) -> None:
    reads = {"get", "list", "watch"}
    makes = {*reads, "create", "patch", "delete"}
    assert rights(graph) == {
        ("", "services"): makes,
        ("", "persistentvolumeclaims"): makes,
        ("", "configmaps"): makes,
        ("", "pods"): {*reads, "patch"},
        ("apps", "deployments"): makes,
        ("batch", "jobs"): makes,
        ("policy", "poddisruptionbudgets"): makes,
        ("serving.kserve.io", "inferenceservices"): makes,
        ("coordination.k8s.io", "leases"): {"get", "create", "update", "patch"},
    }
    binding = graph.one("RoleBinding", "serving-reconciler", "serving").inputs
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "reconciler", "namespace": "serving"}]
    assert binding["roleRef"]["kind"] == "Role"
    assert [each.name for each in graph.of_kind("ClusterRole", "ClusterRoleBinding")] == ["vault-token-review"]


def test_it_changes_no_other_lease(graph: Graph) -> None:
    rules = graph.one("Role", "serving-reconciler").inputs["rules"]
    [create, change] = [rule for rule in rules if rule["resources"] == ["leases"]]
    assert create["verbs"] == ["create"]
    assert change["resourceNames"] == ["serving-reconciler"]


def test_without_kserve_it_has_no_right_to_its_objects(other: Graph) -> None:
    assert ("serving.kserve.io", "inferenceservices") not in rights(other)
    assert variables(other)["AEGIS_SERVING_KSERVE"] == "off"


def test_the_reconciler_reaches_what_it_works_with_and_the_gateway_reaches_it(graph: Graph) -> None:
    traffic = policy(graph, "serving-reconciler")
    assert ends(traffic["egress"], "to") == {
        ("mlflow/mlflow", 5000),
        ("mlflow/s3", 7070),
        ("vault/vault", 8200),
        ("server", 8080),
        # The API server, whose address can change.
        ("anywhere", 443),
        ("anywhere", 6443),
    }
    assert ends(traffic["ingress"], "from") == {("mlflow/gateway", 8081)}


def test_a_delivery_reaches_mlflow_and_its_registry_only_and_nobody_reaches_it(graph: Graph, other: Graph) -> None:
    delivery = policy(graph, "delivery")
    assert delivery["podSelector"]["matchLabels"] == {PART: "delivery"}
    assert ends(delivery["egress"], "to") == {("mlflow/mlflow", 5000)}
    assert delivery["ingress"] == []
    assert ends(policy(other, "delivery")["egress"], "to") == {("mlflow/mlflow", 5000), ("10.9.0.0/16", 5443)}


def test_a_model_server_opens_no_connection_and_answers_the_platform_and_teams_only(graph: Graph) -> None:
    server = policy(graph, "server")
    assert server["podSelector"]["matchLabels"] == {PART: "server"}
    assert set(server["policyTypes"]) == {"Ingress", "Egress"}
    assert server["egress"] == []
    assert ends(server["ingress"], "from") == {
        ("mlflow/gateway", 8080),
        ("serving-reconciler", 8080),
        ("team-demo", 8080),
    }
    # Not even to look up names.
    others = {"matchExpressions": [{"key": PART, "operator": "NotIn", "values": ["server"]}]}
    assert policy(graph, "dns")["podSelector"] == others
    reaching = {
        each.object_name
        for each in graph.of_kind("NetworkPolicy")
        if each.namespace == "serving" and each.inputs["spec"].get("egress")
    }
    assert reaching == {"dns", "delivery", "serving-reconciler"}


def test_prometheus_reaches_the_servers_and_the_reconciler_if_the_settings_say_so(other: Graph) -> None:
    assert ("monitoring", 8080) in ends(policy(other, "server")["ingress"], "from")
    assert ("monitoring", 8081) in ends(policy(other, "serving-reconciler")["ingress"], "from")


def test_the_pods_that_it_makes_have_their_policies_and_keys_before_it_is_there(graph: Graph) -> None:
    waits_for = {urn.rpartition("::")[2] for urn in graph.one("Reconciler").depends_on}
    assert {"serving-delivery", "serving-server", "serving-signing-keys-pem"} <= waits_for
    keys = graph.one("ConfigMap", "signing-keys", "serving").inputs["data"]
    assert keys == {contracts.SIGNING_KEYS_FILE: PUBLIC_KEY}


def test_its_variables_name_the_stack_s_servers_from_its_own_namespace(graph: Graph) -> None:
    expected = {
        "MLFLOW_TRACKING_URI": "http://mlflow.mlflow.svc:5000",
        "AWS_ENDPOINT_URL_S3": "http://s3.mlflow.svc:7070",
        "VAULT_ADDR": "http://vault.vault.svc:8200",
        "AEGIS_VAULT_ROLE": "reconciler",
        "AEGIS_RELEASES_BUCKET": "mlflow-releases",
        "AEGIS_TRUSTED_KEYS": "/etc/aegis/signing-keys",
        "AEGIS_SERVING_NAMESPACE": "serving",
        "AEGIS_SERVING_IMAGE": "localhost/aegis/serving:0123456789ab",
        "AEGIS_SERVING_DELIVERY": "volume",
        "AEGIS_SERVING_STORAGE_CLASS": "standard",
        "AEGIS_SERVING_VOLUME_SIZE": "2048Mi",
        "AEGIS_SERVING_UNVERIFIED": "keep",
        "AEGIS_SERVING_START_SECONDS": "300",
        "AEGIS_SERVING_KSERVE": "auto",
        "AEGIS_WATCH_PRIVACY": "figures",
        "AEGIS_WATCH_SECONDS": "3600",
    }
    assert expected.items() <= variables(graph).items()
    keys = graph.one("Secret", "serving-reconciler-bucket-keys").inputs
    assert (keys["metadata"]["namespace"], keys["stringData"]["AWS_ACCESS_KEY_ID"]) == ("serving", "release")


def test_the_settings_say_what_is_watched_and_what_becomes_of_a_version_that_does_not_verify(other: Graph) -> None:
    found = variables(other)
    assert (found["AEGIS_WATCH_PRIVACY"], found["AEGIS_WATCH_RATE"]) == ("off", "0.5")
    assert found["AEGIS_SERVING_UNVERIFIED"] == "remove"


def test_images_are_pushed_to_the_repository_of_the_settings(other: Graph) -> None:
    found = variables(other)
    assert found["AEGIS_SERVING_DELIVERY"] == "image"
    assert found["AEGIS_SERVING_REPOSITORY"] == "registry.example.com:5443/aegis/models"
    assert "AEGIS_SERVING_STORAGE_CLASS" not in found
    assert found["AEGIS_SERVING_VOLUME_SIZE"] == "2048Mi"


def test_in_aws_images_are_pushed_to_a_repository_of_the_stack_by_a_role_of_the_deliveries() -> None:
    dev = stack_graph(DEV)
    assert variables(dev)["AEGIS_SERVING_REPOSITORY"].endswith("/aegis-dev/models")
    [account] = [each for each in dev.of_kind("ServiceAccount") if each.object_name == "delivery"]
    role = account.inputs["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert role == "arn:aws:iam::111111111111:role/aegis-dev-serving-delivery-us-west-2"
    assert ("0.0.0.0/0", 443) in ends(policy(dev, "delivery")["egress"], "to")


def test_in_aws_it_records_its_steps_with_a_role_of_its_own() -> None:
    dev = stack_graph(DEV)
    assert variables(dev)["AWS_ROLE_ARN"] == "arn:aws:iam::111111111111:role/aegis-dev-serving-reconciler-us-west-2"
    role = next(each for each in dev.of_kind("AuthBackendRole") if each.inputs["roleName"] == "reconciler")
    assert role.inputs["boundSubject"] == "system:serviceaccount:serving:reconciler"
    assert contracts.AWS_TOKEN_FOLDER in {each["mountPath"] for each in pod_of(dev)["containers"][0]["volumeMounts"]}
