"""The monitoring: Prometheus and Alertmanager with the least rights, or the objects for a cluster's operator."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import contracts
from infra.limits.instance_classes import max_connections
from tests.program import test_invariants as invariants
from tests.program.conftest import stack_graph
from tests.support.engine import ROOT, STACK_FILES, Graph, Registered, run_program, stack_config

LOCAL = ROOT / "stacks" / "Pulumi.local.yaml"
PROD = ROOT / "stacks" / "Pulumi.prod.yaml"
RECEIVERS = {
    "webhook": {"url": "https://alerts.example.com:8443/aegis", "secret": "webhook"},
    "slack": {"secret": "slack", "key": "address", "channel": "#ml"},
    "pagerduty": {"secret": "pagerduty", "severities": ["page"]},
    "email": {
        "to": ["ml@example.com", "ops@example.com"],
        "sender": "aegis@example.com",
        "server": "smtp.example.com:587",
        "user": "aegis",
        "secret": "mail",
    },
}
IN_CLUSTER = {"kind": "in-cluster", "receivers": RECEIVERS, "clientNamespaces": ["grafana"], "retentionDays": 7}
OPERATOR = {
    "kind": "operator",
    "prometheusNamespace": "observability",
    "labels": {"release": "stack"},
    "runbooks": "https://git.example.com/runbooks",
}
NAMESPACE = contracts.MONITORING_NAMESPACE
RULES = [rule for name, rule in vars(invariants).items() if name.startswith("test_")]


@pytest.fixture(scope="module")
def graph(module_surroundings: None) -> Graph:
    """Return the graph of a stack that has its own Prometheus, with every receiver."""
    return run_program(stack_config(LOCAL, {"aegis:monitoring": IN_CLUSTER}))


@pytest.fixture(scope="module")
def plain(module_surroundings: None) -> Graph:
    """Return the graph of a stack that has its own Prometheus, with the defaults."""
    return run_program(stack_config(LOCAL, {"aegis:monitoring": {"kind": "in-cluster"}}))


@pytest.fixture(scope="module")
def operated(module_surroundings: None) -> Graph:
    """Return the graph of a stack in a cluster with a Prometheus operator."""
    return run_program(stack_config(LOCAL, {"aegis:monitoring": OPERATOR}))


@pytest.fixture(scope="module")
def in_aws(module_surroundings: None) -> Graph:
    """Return the graph of an environment in AWS, in a cluster with a Prometheus operator."""
    return run_program(stack_config(PROD, {"aegis:monitoring": OPERATOR}), stack="prod")


def content(graph: Graph, config_map: str) -> dict[str, Any]:
    [text] = graph.one("ConfigMap", config_map).inputs["data"].values()
    return yaml.safe_load(text)


def jobs(graph: Graph) -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in content(graph, "prometheus-config")["scrape_configs"]}


def pod_of(graph: Graph, name: str) -> dict[str, Any]:
    return next(pod for workload, pod, _ in graph.pods() if workload.name == name)


def arguments(graph: Graph, name: str) -> list[str]:
    return pod_of(graph, name)["containers"][0]["args"]


def egress(graph: Graph, policy: str) -> list[tuple[dict[str, Any], int]]:
    rules = graph.one("NetworkPolicy", policy, NAMESPACE).inputs["spec"]["egress"]
    return [(peer, port["port"]) for rule in rules for peer in rule.get("to") or [{}] for port in rule["ports"]]


def monitors(graph: Graph) -> dict[str, Registered]:
    return {each.name.removeprefix("monitoring-"): each for each in graph.of_kind("PodMonitor")}


@pytest.mark.parametrize("stack_file", STACK_FILES, ids=lambda path: path.name)
def test_nothing_of_it_is_there_by_default(stack_file: Path) -> None:
    found = stack_graph(stack_file)
    assert NAMESPACE not in {each.object_name for each in found.of_kind("Namespace")}
    assert [each.name for each in found.resources if each.type.startswith("kubernetes:monitoring.")] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__.removeprefix("test_"))
def test_it_keeps_to_the_rules_of_every_stack(rule: Callable[[Graph], None], plain: Graph) -> None:
    rule(plain)


def test_prometheus_finds_pods_by_services_without_an_address(graph: Graph) -> None:
    """Debian's Prometheus can't ask Kubernetes, and so needs no right there."""
    pod = pod_of(graph, "prometheus-server")
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod
    for job, found in jobs(graph).items():
        if job == "prometheus":
            continue
        [discovery] = found["dns_sd_configs"]
        [name] = discovery["names"]
        service_name, namespace, *domain = name.split(".")
        assert domain == ["svc", "cluster", "local", ""]
        service = graph.one("Service", service_name, namespace).inputs["spec"]
        assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
        assert [port["targetPort"] for port in service["ports"]] == [discovery["port"]], job


def test_prometheus_reads_every_server_of_figures(graph: Graph) -> None:
    ports = {job: found["dns_sd_configs"][0]["port"] for job, found in jobs(graph).items() if job != "prometheus"}
    assert ports == {
        "mlflow": 9464,
        "gateway": 8080,
        "serving-reconciler": 8081,
        "model-servers": 8080,
        "vault": 8200,
        "exporter": 9465,
        "postgres": 9187,
        "kube-state-metrics": 8080,
        "alertmanager": 9093,
    }


def test_prometheus_alone_reaches_the_port_of_the_tracking_server_s_figures(graph: Graph) -> None:
    def peer(namespace: str, component: str) -> dict[str, Any]:
        return {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": component}},
        }

    rules = graph.one("NetworkPolicy", "mlflow", "mlflow").inputs["spec"]["ingress"]
    assert [rule["from"] for rule in rules if 9464 in [port["port"] for port in rule["ports"]]] == [
        [peer(NAMESPACE, "prometheus")]
    ]
    assert (peer("mlflow", "mlflow"), 9464) in egress(graph, "prometheus")
    assert graph.one("Service", "mlflow-metrics", "mlflow").inputs["spec"]["selector"] == {
        "app.kubernetes.io/name": "mlflow"
    }


def test_what_is_switched_off_is_not_read(surroundings: None) -> None:
    settings = {"aegis:monitoring": {"kind": "in-cluster"}, "aegis:serving": {}, "aegis:gateway": {}}
    assert not {"gateway", "serving-reconciler", "model-servers"} & set(
        jobs(run_program(stack_config(LOCAL, settings)))
    )


def test_vault_answers_in_the_form_of_prometheus_at_an_address_of_its_own(graph: Graph) -> None:
    job = jobs(graph)["vault"]
    assert (job["metrics_path"], job["params"]) == ("/v1/sys/metrics", {"format": ["prometheus"]})


def test_the_states_of_other_pods_keep_their_names(graph: Graph) -> None:
    assert {job for job, found in jobs(graph).items() if found.get("honor_labels")} == {"kube-state-metrics"}


def test_prometheus_evaluates_the_alerts_of_the_stack(graph: Graph) -> None:
    groups = {group["name"] for group in content(graph, "prometheus-rules")["groups"]}
    assert {"aegis-mlflow", "aegis-backup", "aegis-serving", "aegis-gateway"} <= groups
    [target] = content(graph, "prometheus-config")["alerting"]["alertmanagers"][0]["static_configs"]
    assert target == {"targets": ["alertmanager.monitoring.svc:9093"]}


def test_prometheus_keeps_figures_for_the_days_of_the_settings_and_never_fills_its_volume(graph: Graph) -> None:
    found = arguments(graph, "prometheus-server")
    assert "--storage.tsdb.retention.time=7d" in found
    # Of 5Gi, in MiB: what Prometheus calls MB.
    assert "--storage.tsdb.retention.size=3584MB" in found


def test_kube_state_metrics_reads_the_platform_s_namespaces_and_no_secrets(graph: Graph) -> None:
    roles = [each for each in graph.of_kind("Role") if each.object_name == "kube-state-metrics"]
    assert {each.namespace for each in roles} == {"mlflow", "vault", "serving", NAMESPACE}
    for role in roles:
        for rule in role.inputs["rules"]:
            assert set(rule["verbs"]) == {"get", "list", "watch"}
            assert not {"secrets", "configmaps", "*"} & set(rule["resources"])
    assert "--namespaces=mlflow,vault,serving,monitoring" in arguments(graph, "kube-state-metrics-server")


def test_each_figure_of_kube_state_metrics_that_an_alert_asks_for_is_told(graph: Graph) -> None:
    [told] = [each for each in arguments(graph, "kube-state-metrics-server") if each.startswith("--metric-allowlist=")]
    asked = set(re.findall(r"kube_\w+", str(content(graph, "prometheus-rules"))))
    assert asked <= set(told.partition("=")[2].split(","))


def test_alertmanager_reads_each_secret_from_a_file_and_starts_without_it(graph: Graph) -> None:
    [volume] = [each for each in pod_of(graph, "alertmanager-server")["volumes"] if each["name"] == "secrets"]
    assert volume["projected"]["sources"] == [
        {"secret": {"name": name, "items": [{"key": key, "path": kind}], "optional": True}}
        for kind, name, key in (
            ("webhook", "webhook", "token"),
            ("slack", "slack", "address"),
            ("pagerduty", "pagerduty", "routing-key"),
            ("email", "mail", "password"),
        )
    ]


def test_each_receiver_gets_the_alerts_of_its_severities(graph: Graph) -> None:
    route = content(graph, "alertmanager-config")["route"]
    assert route["receiver"] == "nobody"
    assert [(each["receiver"], *each["matchers"]) for each in route["routes"]] == [
        ("webhook", 'severity="page"'),
        ("webhook", 'severity="ticket"'),
        ("slack", 'severity="page"'),
        ("slack", 'severity="ticket"'),
        ("pagerduty", 'severity="page"'),
        ("email", 'severity="page"'),
        ("email", 'severity="ticket"'),
    ]
    assert all(each["continue"] for each in route["routes"])


def test_each_receiver_is_configured_without_its_secret(graph: Graph) -> None:
    found = {each["name"]: each for each in content(graph, "alertmanager-config")["receivers"]}
    folder = "/etc/alertmanager/secrets"
    assert found["nobody"] == {"name": "nobody"}
    [webhook], [slack] = found["webhook"]["webhook_configs"], found["slack"]["slack_configs"]
    assert webhook == {
        "send_resolved": True,
        "url": RECEIVERS["webhook"]["url"],
        "http_config": {"authorization": {"credentials_file": f"{folder}/webhook"}},
    }
    assert (slack["api_url_file"], slack["channel"]) == (f"{folder}/slack", "#ml")
    assert found["pagerduty"]["pagerduty_configs"][0]["routing_key_file"] == f"{folder}/pagerduty"
    assert found["email"]["email_configs"] == [
        {
            "send_resolved": True,
            "to": "ml@example.com, ops@example.com",
            "from": "aegis@example.com",
            "smarthost": "smtp.example.com:587",
            "auth_username": "aegis",
            "auth_password_file": f"{folder}/email",
        }
    ]


def test_alertmanager_reaches_its_receivers_only(graph: Graph) -> None:
    everywhere = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}
    assert egress(graph, "alertmanager") == [(everywhere, port) for port in (8443, 443, 587)]


def test_the_networks_of_receivers_can_be_narrowed(surroundings: None) -> None:
    monitoring = {"kind": "in-cluster", "receivers": {"webhook": {"url": "http://alerts.example.com/a"}}}
    settings = {"aegis:monitoring": monitoring, "aegis:egress": {"alerts": ["10.1.0.0/16"]}}
    found = run_program(stack_config(LOCAL, settings))
    assert egress(found, "alertmanager") == [({"ipBlock": {"cidr": "10.1.0.0/16"}}, 80)]


def test_without_receivers_alertmanager_opens_no_connection(plain: Graph) -> None:
    assert egress(plain, "alertmanager") == []


def test_whom_the_settings_name_reaches_prometheus_and_alertmanager(graph: Graph) -> None:
    grafana = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "grafana"}}}
    for policy, port in (("prometheus", 9090), ("alertmanager", 9093)):
        rules = graph.one("NetworkPolicy", policy, NAMESPACE).inputs["spec"]["ingress"]
        assert {"from": [grafana], "ports": [{"protocol": "TCP", "port": port}]} in rules


def test_the_addresses_are_outputs(graph: Graph) -> None:
    assert graph.outputs["prometheus_url"] == "http://localhost:9090"
    assert graph.outputs["alertmanager_url"] == "http://localhost:9093"


def test_an_operator_gets_a_monitor_in_the_namespace_of_each_server(operated: Graph) -> None:
    assert {name: each.namespace for name, each in monitors(operated).items()} == {
        "mlflow": "mlflow",
        "gateway": "mlflow",
        "exporter": "mlflow",
        "postgres": "mlflow",
        "vault": "vault",
        "serving-reconciler": "serving",
        "model-servers": "serving",
    }
    for each in monitors(operated).values():
        assert each.inputs["metadata"]["labels"]["release"] == "stack"


def test_a_monitor_names_pods_their_port_and_the_job_of_the_alerts(operated: Graph) -> None:
    found = {name: each.inputs["spec"] for name, each in monitors(operated).items()}
    assert found["model-servers"] == {
        "selector": {"matchLabels": {"aegis.serving/part": "server"}},
        "podMetricsEndpoints": [
            {"portNumber": 8080, "relabelings": [{"targetLabel": "job", "replacement": "model-servers"}]}
        ],
    }
    [vault] = found["vault"]["podMetricsEndpoints"]
    assert (vault["path"], vault["params"]) == ("/v1/sys/metrics", {"format": ["prometheus"]})


def test_an_operator_gets_the_alerts_of_the_stack(operated: Graph) -> None:
    rules = operated.one("PrometheusRule").inputs
    assert rules["metadata"]["labels"]["release"] == "stack"
    groups = rules["spec"]["groups"]
    assert {"aegis-mlflow", "aegis-backup"} <= {group["name"] for group in groups}
    links = {rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert all(link.startswith("https://git.example.com/runbooks/") for link in links)


def test_grafana_s_sidecar_finds_each_dashboard_by_its_label(operated: Graph) -> None:
    maps = [each for each in operated.of_kind("ConfigMap") if "grafana_dashboard" in each.inputs["metadata"]["labels"]]
    assert {each.inputs["metadata"]["labels"]["grafana_dashboard"] for each in maps} == {"1"}
    titles = {file: json.loads(text)["title"] for each in maps for file, text in each.inputs["data"].items()}
    assert titles == {
        "aegis-server.json": "Aegis: server",
        "aegis-database.json": "Aegis: database",
        "aegis-experiments.json": "Aegis: use of experiments",
        "aegis-registry.json": "Aegis: registry",
    }


def test_a_stack_without_dashboards_does_not_import_grafana_s_sdk() -> None:
    program = "from infra.capabilities.monitoring import make; import sys; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in ran.stdout.split()}
    assert "infra" in imported
    assert "grafana_foundation_sdk" not in imported


def test_an_operator_s_prometheus_reaches_the_figures_and_nothing_else(operated: Graph) -> None:
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}}
    reached = {
        (policy.namespace, policy.object_name, port["port"])
        for policy in operated.of_kind("NetworkPolicy")
        for rule in policy.inputs["spec"].get("ingress", [])
        if prometheus in rule["from"]
        for port in rule["ports"]
    }
    assert reached == {
        ("mlflow", "mlflow", 9464),
        ("mlflow", "gateway", 8080),
        ("mlflow", "exporter", 9465),
        ("mlflow", "postgres-exporter", 9187),
        ("vault", "vault", 8200),
        ("serving", "serving-reconciler", 8081),
        ("serving", "server", 8080),
    }


def test_only_a_stack_that_runs_its_image_has_a_repository_for_it(surroundings: None) -> None:
    assert "monitoring" not in stack_graph(PROD).outputs["image_repositories"]
    image = "333333333333.dkr.ecr.us-west-2.amazonaws.com/aegis-prod/monitoring:1"
    images = yaml.safe_load(PROD.read_text())["config"]["aegis:images"] | {"monitoring": image}
    settings = {"aegis:monitoring": {"kind": "in-cluster"}, "aegis:images": images}
    assert "monitoring" in run_program(stack_config(PROD, settings), stack="prod").outputs["image_repositories"]


def variables(graph: Graph, workload: str) -> dict[str, Any]:
    """Return the environment variables of a pod, with those of its Secret."""
    [container] = pod_of(graph, workload)["containers"]
    values = {each["name"]: each.get("value") for each in container["env"]}
    for source in container["envFrom"]:
        name = source["secretRef"]["name"]
        values |= next(
            each.inputs["stringData"] for each in graph.of_kind("Secret") if name.startswith(f"{each.name}-")
        )
    return values


def reached(graph: Graph, policy: str, namespace: str = "mlflow") -> set[int]:
    rules = graph.one("NetworkPolicy", policy, namespace).inputs["spec"]["egress"]
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_the_exporter_knows_the_database_the_buckets_and_vault(plain: Graph) -> None:
    found = variables(plain, "exporter-server")
    assert (found["PGHOST"], found["PGDATABASE"], found["VAULT_ADDR"]) == (
        "postgres",
        "mlflow",
        "http://vault.vault.svc:8200",
    )
    buckets = json.loads(found[contracts.Env.EXPORTER_BUCKETS])
    assert [(each["name"], each["prefix"]) for each in buckets] == [("artifacts", ""), ("backups", "mlflow")]
    assert all(each["access_key"] and each["secret_key"] for each in buckets)
    assert found[contracts.Env.TRUSTED_KEYS] == contracts.SIGNING_KEYS_FOLDER
    assert contracts.Env.EXPORTER_CERTIFICATES not in found


def test_the_exporters_reach_their_sources_only(plain: Graph) -> None:
    assert reached(plain, "exporter") == {5432, 7070, 8200}
    assert reached(plain, "postgres-exporter") == {5432}


def test_the_exporter_asks_the_hosts_of_the_settings_for_their_certificates(surroundings: None) -> None:
    monitoring = {"kind": "in-cluster", "certificateHosts": ["mlflow.example.com", "s3.example.com:8443"]}
    graph = run_program(stack_config(LOCAL, {"aegis:monitoring": monitoring}))
    found = variables(graph, "exporter-server")[contracts.Env.EXPORTER_CERTIFICATES]
    assert found == "mlflow.example.com,s3.example.com:8443"
    assert reached(graph, "exporter") == {5432, 7070, 8200, 443, 8443}


def test_postgresql_s_exporter_logs_in_with_a_password_from_a_secret(plain: Graph) -> None:
    found = variables(plain, "postgres-exporter-server")
    assert found["DATA_SOURCE_URI"] == "postgres:5432/mlflow?sslmode=disable"
    assert found["DATA_SOURCE_USER"] == "mlflow"
    assert found["DATA_SOURCE_PASS"].startswith("postgres-password-")


def test_in_aws_the_exporter_has_a_role_that_changes_nothing(in_aws: Graph) -> None:
    """PostgreSQL's exporter can't log in by tokens, so only ours asks a database with logins by role."""
    assert not [each for each in in_aws.resources if each.name.startswith("postgres-exporter")]
    found = variables(in_aws, "exporter-server")
    assert found[contracts.Env.DATABASE_AUTH] == "iam"
    buckets = json.loads(found[contracts.Env.EXPORTER_BUCKETS])
    assert [(each["name"], each["prefix"]) for each in buckets] == [("artifacts", "mlflow"), ("backups", "mlflow")]
    assert all("secret_key" not in each for each in buckets)
    policy = in_aws.one("RolePolicy", "exporter-role-policy").inputs["policy"]
    actions = {action for statement in json.loads(policy)["Statement"] for action in as_list(statement["Action"])}
    assert actions == {"s3:GetObject", "s3:ListBucket", "s3:ListBucketVersions", "kms:Decrypt", "rds-db:connect"}


def test_a_private_authority_of_vault_is_mounted(surroundings: None) -> None:
    vault = yaml.safe_load(PROD.read_text())["config"]["aegis:vault"] | {
        "authorities": "infra/aws/authorities/eu-west-1.pem"
    }
    settings = {"aegis:monitoring": OPERATOR, "aegis:vault": vault}
    graph = run_program(stack_config(PROD, settings), stack="prod")
    [container] = pod_of(graph, "exporter-server")["containers"]
    assert {"name": "vault-authorities", "mountPath": "/etc/aegis/vault", "readOnly": True} in container["volumeMounts"]
    assert variables(graph, "exporter-server")["VAULT_CACERT"] == "/etc/aegis/vault/ca.pem"


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_a_database_on_rds_has_alarms_that_notify_a_topic(in_aws: Graph) -> None:
    alarms = {each.name.removeprefix("database-alarms-"): each.inputs for each in in_aws.of_kind("MetricAlarm")}
    assert {name: (each["metricName"], each["comparisonOperator"]) for name, each in alarms.items()} == {
        "storage": ("FreeStorageSpace", "LessThanThreshold"),
        "connections": ("DatabaseConnections", "GreaterThanThreshold"),
        "replica-lag": ("OldestReplicationSlotLag", "GreaterThanThreshold"),
    }
    identifier = in_aws.one("Instance", "database-server").inputs["identifier"]
    for each in alarms.values():
        assert each["dimensions"] == {"DBInstanceIdentifier": identifier}
        assert each["alarmActions"] == each["okActions"] == [in_aws.outputs["database_alarm_topic"]]


def test_the_limits_of_the_alarms_follow_from_the_settings(surroundings: None) -> None:
    database = yaml.safe_load(PROD.read_text())["config"]["aegis:database"]
    small = {**database, "instanceClass": "db.t4g.medium", "storage": "50Gi"}
    settings = {"aegis:monitoring": OPERATOR, "aegis:database": small, "aegis:mlflow": {"maxReplicas": 4}}
    graph = run_program(stack_config(PROD, settings), stack="prod")
    thresholds = {
        each.name.removeprefix("database-alarms-"): each.inputs["threshold"] for each in graph.of_kind("MetricAlarm")
    }
    assert thresholds["storage"] == 4 * 2**30
    # A burstable class has credits to use up.
    assert thresholds["credits"] == 30
    assert thresholds["connections"] == int(max_connections("db.t4g.medium") * 0.8)


@pytest.mark.parametrize("stack_file", STACK_FILES, ids=lambda path: path.name)
def test_a_stack_that_is_not_monitored_has_no_alarms(stack_file: Path) -> None:
    assert stack_graph(stack_file).of_kind("MetricAlarm", "Topic") == []
