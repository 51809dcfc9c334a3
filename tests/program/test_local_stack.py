"""The graph of the local stack: sizes, credentials, order and outputs."""

import json
from pathlib import Path
from typing import Any, Protocol

import pytest
from pulumi.runtime.rpc import UNKNOWN

import contracts
from infra.limits.quantities import mebibytes
from tests.support.engine import PUBLIC_KEY, ROOT, Graph, Registered, run_program, stack_config

LOCAL = ROOT / "stacks" / "Pulumi.local.yaml"
LOGS = {"format": "json", "level": "debug"}


class Build(Protocol):
    def __call__(self, overrides: dict[str, object] | None = None, *, preview: bool = False) -> Graph: ...


@pytest.fixture(scope="module")
def build(module_surroundings: None) -> Build:
    """Run the program with other settings, once for each set of them, as the tests only read the graph."""
    built: dict[str, Graph] = {}

    def run(overrides: dict[str, object] | None = None, *, preview: bool = False) -> Graph:
        key = json.dumps([overrides, preview])
        if key not in built:
            built[key] = run_program(stack_config(LOCAL, overrides), preview=preview)
        return built[key]

    return run


def container_of(graph: Graph, kind: str, name: str) -> dict[str, Any]:
    workload = graph.one(kind, name)
    return next(pod["containers"][0] for each, pod, _ in graph.pods() if each is workload)


def variables(graph: Graph, container: dict[str, Any]) -> dict[str, str]:
    """Return the environment variables of the container, including those from ConfigMaps and Secrets."""
    values = {entry["name"]: entry.get("value") for entry in container["env"]}
    for source in container["envFrom"]:
        kind, reference = ("ConfigMap", "configMapRef") if "configMapRef" in source else ("Secret", "secretRef")
        resource = next(
            each for each in graph.of_kind(kind) if source.get(reference, {}).get("name") == f"{each.name}-0a1b2c3d"
        )
        values |= resource.inputs.get("data") or resource.inputs["stringData"]
    return values


def test_mlflow_runs_in_two_pods_which_is_what_fits_on_two_cores(build: Build) -> None:
    scaling = build().one("HorizontalPodAutoscaler", "mlflow").inputs["spec"]
    assert (scaling["minReplicas"], scaling["maxReplicas"]) == (2, 2)
    targets = {m["resource"]["name"]: m["resource"]["target"]["averageUtilization"] for m in scaling["metrics"]}
    assert targets == {"cpu": 70, "memory": 90}


def test_mlflow_requests_memory_that_keeps_four_idle_workers_below_the_target(build: Build) -> None:
    resources = container_of(build(), "Deployment", "mlflow")["resources"]
    assert resources == {
        "requests": {"cpu": "500m", "memory": "1792Mi", "ephemeral-storage": "64Mi"},
        "limits": {"cpu": "1", "memory": "2048Mi", "ephemeral-storage": "4224Mi"},
    }


def test_mlflow_keeps_at_least_one_pod_and_rolls_one_pod_at_a_time(build: Build) -> None:
    graph = build()
    assert graph.one("PodDisruptionBudget", "mlflow").inputs["spec"]["minAvailable"] == 1
    strategy = graph.one("Deployment", "mlflow").inputs["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_mlflow_spreads_over_zones_and_nodes(build: Build) -> None:
    _, pod, labels = next(found for found in build().pods() if found[0].name == "mlflow-server")
    constraints = pod["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in constraints] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert all(each["labelSelector"]["matchLabels"].items() <= labels.items() for each in constraints)
    assert all(each["whenUnsatisfiable"] == "ScheduleAnyway" for each in constraints)


def test_mlflow_has_five_minutes_to_start_and_is_ready_when_its_database_is(build: Build) -> None:
    container = container_of(build(), "Deployment", "mlflow")
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 300
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_mlflow_is_configured_only_by_environment_variables(build: Build) -> None:
    graph = build()
    container = container_of(graph, "Deployment", "mlflow")
    assert container["command"][:3] == ["python", "-m", "workloads.tracking"]
    assert not any("password" in word or "://" in word for word in container["command"])
    assert "args" not in container
    settings = variables(graph, container)
    assert settings["MLFLOW_HOST"] == "0.0.0.0"  # noqa: S104 - the pod's own network
    assert settings["MLFLOW_PORT"] == "5000"
    assert settings["MLFLOW_WORKERS"] == "4"
    assert settings["AWS_DEFAULT_REGION"] == "us-west-2"
    assert settings["MLFLOW_DEFAULT_ARTIFACT_ROOT"] == "mlflow-artifacts:/"
    assert settings["MLFLOW_ARTIFACTS_DESTINATION"] == "s3://mlflow-artifacts"
    assert settings["AWS_ENDPOINT_URL_S3"] == "http://s3:7070"
    assert settings["MLFLOW_BACKEND_STORE_URI"].startswith("postgresql+aegis://mlflow:")
    assert settings["MLFLOW_BACKEND_STORE_URI"].endswith("@postgres:5432/mlflow")
    assert settings["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_mlflow_s_metrics_are_on_a_port_that_no_service_and_no_policy_opens(build: Build) -> None:
    graph = build()
    ports = {each["name"]: each["containerPort"] for each in container_of(graph, "Deployment", "mlflow")["ports"]}
    assert ports == {"mlflow": 5000, "metrics": 9464}
    services = [port for each in graph.of_kind("Service") for port in each.inputs["spec"]["ports"]]
    assert 9464 not in [port[side] for port in services for side in ("port", "targetPort")]
    rules = graph.one("NetworkPolicy", "mlflow").inputs["spec"]["ingress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} == {5000}


def test_mlflow_s_workers_measure_into_a_volume_in_memory(build: Build) -> None:
    graph = build()
    pod = graph.one("Deployment", "mlflow").inputs["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    folders = {each["mountPath"]: each["name"] for each in pod["containers"][0]["volumeMounts"]}
    folder = volumes[folders[str(Path(contracts.METRICS_FOLDER).parent)]]["emptyDir"]
    assert folder == {"medium": "Memory", "sizeLimit": "40Mi"}


def test_the_form_and_the_level_of_the_logs_are_those_of_the_server_and_of_the_backup(build: Build) -> None:
    graph = build({"aegis:logs": LOGS})
    wanted = {contracts.Env.LOGS: "json", contracts.Env.LOG_LEVEL: "debug"}
    assert wanted.items() <= graph.one("ConfigMap", "mlflow-config").inputs["data"].items()
    [container] = [
        pod["containers"][0]
        for each, pod, _ in graph.pods()
        if each.kind == "CronJob" and each.name.startswith("backup")
    ]
    assert wanted.items() <= {each["name"]: each["value"] for each in container["env"]}.items()


def test_another_level_of_the_logs_runs_no_job_again(build: Build) -> None:
    """Pulumi would replace the Job: the model would be trained and released again."""

    def jobs(graph: Graph) -> dict[str, object]:
        return {each.name: each.inputs["spec"] for each in graph.of_kind("Job")}

    assert jobs(build({"aegis:logs": LOGS})) == jobs(build())


def test_postgres_has_its_volume_and_its_resources(build: Build) -> None:
    graph = build()
    claim = graph.one("StatefulSet", "postgres").inputs["spec"]["volumeClaimTemplates"][0]["spec"]
    assert claim["resources"]["requests"]["storage"] == "20Gi"
    assert claim["storageClassName"] == "standard"
    assert container_of(graph, "StatefulSet", "postgres")["resources"] == {
        "requests": {"cpu": "150m", "memory": "512Mi", "ephemeral-storage": "64Mi"},
        "limits": {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "384Mi"},
    }


def test_postgres_accepts_as_many_connections_as_its_memory_allows(build: Build) -> None:
    small = container_of(build(), "StatefulSet", "postgres")["args"]
    large = container_of(build({"aegis:database": {"memory": "4Gi"}}), "StatefulSet", "postgres")["args"]
    assert small == ["-c", "max_connections=160", "-c", "shared_buffers=256MB"]
    assert large == ["-c", "max_connections=736", "-c", "shared_buffers=1024MB"]


def test_a_pod_that_stops_asks_its_clients_to_leave_and_finishes_their_requests(build: Build) -> None:
    pod = build().one("Deployment", "mlflow").inputs["spec"]["template"]["spec"]
    container = pod["containers"][0]
    hook = container["lifecycle"]["preStop"]["exec"]["command"][-1]
    options = container["command"][-1].split()
    finishing = int(options[options.index("--timeout-graceful-shutdown") + 1])
    assert contracts.DRAINING_FILE in hook
    assert int(hook.rpartition(" ")[2]) + finishing < pod["terminationGracePeriodSeconds"]


def test_only_workloads_that_use_the_database_reach_it(build: Build) -> None:
    policy = build().one("NetworkPolicy", "postgres")
    clients = [
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
        for rule in policy.inputs["spec"]["ingress"]
        for peer in rule["from"]
    ]
    assert sorted(clients) == ["backup", "migration", "mlflow"]


def test_each_s3_user_owns_one_bucket(build: Build) -> None:
    setup = build().one("Secret", "s3-setup-accounts").inputs["stringData"]
    owners = {each["bucket"]: each["access_key"] for each in json.loads(setup[contracts.Env.BUCKET_OWNERS])}
    assert owners == {"mlflow-artifacts": "mlflow", "mlflow-backups": "backup", "mlflow-releases": "release"}
    keys = [each["secret_key"] for each in json.loads(setup[contracts.Env.BUCKET_OWNERS])]
    assert len(set(keys)) == 3


def test_only_the_s3_server_and_its_setup_have_the_root_user_s_key(build: Build) -> None:
    graph = build()
    root = graph.one("RandomPassword", "s3-root-key")
    holders = {each.name for each in graph.of_kind("Secret") if f"{root.name}-x" in json.dumps(each.inputs)}
    assert holders == {"s3-root-account", "s3-setup-accounts"}


def test_a_backup_is_made_and_verified_each_night(build: Build) -> None:
    graph = build()
    assert graph.one("CronJob").inputs["spec"]["schedule"] == "0 2 * * *"
    command = container_of(graph, "CronJob", "backup")["command"]
    assert command == ["python", "-m", "workloads.backup.create", "--verify", "--retention-days", "30"]


def test_the_schema_is_migrated_in_the_database_that_the_server_uses(build: Build) -> None:
    graph = build()
    server = variables(graph, container_of(graph, "Deployment", "mlflow"))
    migration = variables(graph, container_of(graph, "Job", "migration-upgrade"))
    assert migration == {"MLFLOW_BACKEND_STORE_URI": server["MLFLOW_BACKEND_STORE_URI"]}


def test_the_schema_is_migrated_before_the_server_rolls(build: Build) -> None:
    graph = build()
    migrated = graph.one("Job", "migration-upgrade").urn
    assert migrated in graph.one("Mlflow").depends_on


def test_the_release_waits_for_the_trainer_the_buckets_and_the_right_to_sign(build: Build) -> None:
    release = build().one("Release")
    dependencies = {urn.rpartition("::")[2] for urn in release.depends_on}
    assert {
        "trainer-run",
        "signer-access-role",
        "signer-access-cluster",
        "signer-access-policy",
        "s3-setup",
    } <= dependencies


def test_a_new_training_leads_to_a_new_release(build: Build) -> None:
    graph = build()
    template = graph.one("Job", "release-run").inputs["spec"]["template"]
    assert template["metadata"]["annotations"] == {"aegis/runs-after": "trainer-run-0a1b2c3d"}


def test_the_signing_key_never_leaves_vault(build: Build) -> None:
    key = build().one("SecretBackendKey").inputs
    assert (key["name"], key["type"]) == ("aegis-cosign", "ecdsa-p256")
    assert key["exportable"] is False
    assert key["allowPlaintextBackup"] is False


def test_a_version_of_the_key_can_be_taken_out(build: Build) -> None:
    assert "minDecryptionVersion" not in build().one("SecretBackendKey").inputs
    graph = build({"aegis:vault": {"minKeyVersion": 3, "keyDeletionAllowed": True}})
    assert graph.one("SecretBackendKey").inputs["minDecryptionVersion"] == 3
    assert graph.outputs["signing_keys"] == PUBLIC_KEY


def test_an_empty_list_switches_the_gate_off(build: Build) -> None:
    config = build({"aegis:mlflow": {"guardedAliases": [], "guardedStages": []}}).one("ConfigMap", "mlflow-config")
    assert (config.inputs["data"]["AEGIS_GUARDED_ALIASES"], config.inputs["data"]["AEGIS_GUARDED_STAGES"]) == ("", "")


def test_vault_logs_requests_before_a_key_is_created_in_it(build: Build) -> None:
    graph = build()
    device = graph.one("Audit")
    assert (device.inputs["type"], device.inputs["options"]) == ("file", {"file_path": "stdout"})
    assert device.urn in graph.one("SigningKey").depends_on
    assert device.urn in graph.one("SignerAccess").depends_on


def test_the_local_key_may_be_deleted_with_its_stack(build: Build) -> None:
    graph = build()
    assert graph.one("SecretBackendKey").inputs["deletionAllowed"] is True
    assert not any(each.protect for each in graph.resources)


def test_by_default_neither_the_key_nor_its_engine_can_be_destroyed(build: Build) -> None:
    graph = build({"aegis:vault": {}})
    assert graph.one("SecretBackendKey").inputs["deletionAllowed"] is False
    assert {each.kind for each in graph.resources if each.protect} == {"SecretBackendKey", "Mount"}


def test_only_the_signer_s_and_the_reconciler_s_service_accounts_may_sign(build: Build) -> None:
    graph = build()
    roles = {role.inputs["roleName"]: role.inputs for role in graph.of_kind("AuthBackendRole")}
    bound = {
        name: (role["boundServiceAccountNamespaces"], role["boundServiceAccountNames"]) for name, role in roles.items()
    }
    assert bound == {"signer": (["mlflow"], ["signer"]), "reconciler": (["serving"], ["reconciler"])}
    for namespace, account in (("mlflow", "signer"), ("serving", "reconciler")):
        assert graph.one("ServiceAccount", account, namespace)
    for role in roles.values():
        assert role["audience"] == "vault"
        assert role["tokenPolicies"] == [graph.one("Policy").inputs["name"]]
        assert role["tokenNoDefaultPolicy"] is True


def test_the_release_gets_a_token_for_vault_at_the_path_that_the_signer_reads(build: Build) -> None:
    graph = build()
    _, pod, _ = next(found for found in graph.pods() if found[0].name == "release-run")
    source = next(v for v in pod["volumes"] if v["name"] == "vault-token")["projected"]["sources"][0]
    mount = next(m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "vault-token")
    assert f"{mount['mountPath']}/{source['serviceAccountToken']['path']}" == contracts.VAULT_TOKEN_PATH
    assert source["serviceAccountToken"]["audience"] == contracts.VAULT_TOKEN_AUDIENCE
    assert pod["serviceAccountName"] == contracts.SIGNER_SERVICE_ACCOUNT


@pytest.mark.parametrize(("largest", "room"), [("1Gi", "8Gi"), ("4Gi", "8Gi"), ("5Gi", "10240Mi")])
def test_a_release_has_room_for_the_largest_model_and_its_archive(build: Build, largest: str, room: str) -> None:
    graph = build({"aegis:mlflow": {"largestArtifact": largest, "tmpSize": "20Gi"}})
    _, pod, _ = next(found for found in graph.pods() if found[0].name == "release-run")
    volume = next(each for each in pod["volumes"] if each["name"] == "tmp")
    assert volume["emptyDir"]["sizeLimit"] == room


def test_the_requests_fit_on_two_cpus_even_during_a_training(build: Build) -> None:
    graph = build()
    servers = [cpus(graph, "Deployment", name) for name in ("mlflow", "gateway", "serving-reconciler")]
    rest = 2 * sum(servers) + sum(cpus(graph, "StatefulSet", name) for name in ("postgres", "s3", "vault"))
    # Each of them rolls one pod more.
    surge = sum(servers)
    jobs = [cpus(graph, "Job", each.name) for each in graph.of_kind("Job")]
    [wanted] = [json.loads(each.inputs["data"]["wanted.json"]) for each in wanted_models(graph)]
    # The served version and the one that is tried.
    served = 2 * wanted["replicas"] * int(wanted["resources"]["cpu"].removesuffix("m")) / 1000
    # The requests in kube-system: 20m each for CoreDNS and metrics-server.
    assert rest + served + max(surge, sum(jobs)) + 0.04 <= 2.0


def test_the_requests_fit_into_eight_gigabytes_even_while_mlflow_rolls(build: Build) -> None:
    graph = build()
    rolling = 3 * memory(graph, "Deployment", "mlflow")
    servers = 2 * sum(memory(graph, "Deployment", name) for name in ("gateway", "serving-reconciler"))
    stores = sum(memory(graph, "StatefulSet", name) for name in ("postgres", "s3", "vault"))
    [wanted] = [json.loads(each.inputs["data"]["wanted.json"]) for each in wanted_models(graph)]
    served = wanted["replicas"] * mebibytes(wanted["resources"]["memory"])
    # The requests in kube-system are 100Mi, and with 100Mi left the kubelet evicts pods.
    assert rolling + servers + stores + served + 100 <= 8_000_000_000 / 2**20 - 100


def memory(graph: Graph, kind: str, name: str) -> int:
    return mebibytes(container_of(graph, kind, name)["resources"]["requests"]["memory"])


def wanted_models(graph: Graph) -> list[Registered]:
    return [each for each in graph.of_kind("ConfigMap") if "wanted.json" in each.inputs["data"]]


def cpus(graph: Graph, kind: str, name: str) -> float:
    request = container_of(graph, kind, name)["resources"]["requests"]["cpu"]
    return int(request.removesuffix("m")) / 1000 if request.endswith("m") else float(request)


def test_fewer_workers_change_only_the_config_map_and_the_deployment(build: Build) -> None:
    before, after = build(), build({"aegis:mlflow": {"workers": 2, "memoryTarget": 90, "maxReplicas": 2}})
    old = {each.urn: each.inputs for each in before.resources}
    changed = {each.kind for each in after.resources if old[each.urn] != each.inputs}
    assert changed == {"ConfigMap", "Deployment"}


def test_a_name_reaches_the_jobs_unchanged(build: Build) -> None:
    graph = build({"aegis:release": {"experiment": "-x $(HOME) $$", "modelName": "--digits"}})
    # Kubernetes turns two dollar signs into one.
    name = "--experiment-name=-x $$(HOME) $$$$"
    assert name in container_of(graph, "Job", "trainer-run")["args"]
    assert {name, "--model-name=--digits"} <= set(container_of(graph, "Job", "release-run")["args"])


def test_the_trainer_registers_its_models_only_by_setting(build: Build) -> None:
    assert "--register-models" not in container_of(build(), "Job", "trainer-run")["args"]
    graph = build({"aegis:trainer": {"registerModels": True}})
    assert container_of(graph, "Job", "trainer-run")["args"][-1] == "--register-models"


def test_without_a_release_nothing_is_trained_and_nothing_signed(build: Build) -> None:
    graph = build({"aegis:release": {"enabled": False}})
    assert {each.name for each in graph.of_kind("Job")} == {"s3-setup", "migration-upgrade"}
    assert "release_job" not in graph.outputs


def test_a_client_namespace_reaches_the_server(build: Build) -> None:
    policy = build({"aegis:mlflow": {"clientNamespaces": ["notebooks"]}}).one("NetworkPolicy", "mlflow")
    peers = [peer for rule in policy.inputs["spec"]["ingress"] for peer in rule["from"]]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "notebooks"}}} in peers


def test_the_outputs_are_few_and_their_secrets_secret(build: Build) -> None:
    graph = build()
    assert set(graph.outputs) == {
        "mlflow_url", "gateway_url", "artifacts", "s3_url", "s3_console_url", "s3_region", "vault_url", "namespace",
        "vault_namespace",
        "backups_bucket", "releases_bucket", "vault_transit_mount", "vault_signing_key", "signing_keys",
        "database_host", "database_port", "experiment", "model_name", "release_job", "s3_root_access_key",
        "s3_root_secret_key", "vault_root_token", "database_password",
    }  # fmt: skip
    assert graph.secret_outputs == {"s3_root_secret_key", "vault_root_token", "database_password"}
    assert graph.outputs["mlflow_url"] == "http://localhost:5000"
    assert graph.outputs["gateway_url"] == "http://localhost:8080"
    assert graph.outputs["s3_url"] == "http://localhost:9000"
    assert graph.outputs["vault_url"] == "http://localhost:8200"


def test_other_ports_of_localhost_change_every_address_of_a_server(build: Build) -> None:
    ports = {"mlflow": 15000, "gateway": 18080, "s3": 19000, "s3Console": 19001, "vault": 18200, "postgres": 15433}
    graph = build({"aegis:localhost": ports})
    urls = ("mlflow_url", "gateway_url", "s3_url", "s3_console_url", "vault_url")
    assert [graph.outputs[name] for name in urls] == [f"http://localhost:{port}" for port in list(ports.values())[:5]]
    assert graph.outputs["database_port"] == 15433
    vault = next(each for each in graph.resources if each.type == "pulumi:providers:vault")
    assert vault.inputs["address"] == "http://localhost:18200"
    server = variables(graph, container_of(graph, "StatefulSet", "s3"))
    assert server["VGW_WEBUI_GATEWAYS"] == "http://localhost:19000"
    assert server["VGW_CORS_ALLOW_ORIGIN"] == "http://localhost:19001"


@pytest.mark.parametrize("allowed", [True, False])
def test_a_setting_allows_direct_transfers(build: Build, allowed: bool) -> None:
    graph = build({"aegis:mlflow": {"directTransfers": allowed}})
    server = variables(graph, container_of(graph, "Deployment", "mlflow"))
    assert server["AEGIS_DIRECT_TRANSFERS"] == str(allowed).lower()


def test_without_ports_of_localhost_servers_have_addresses_in_the_cluster(build: Build) -> None:
    outputs = build({"aegis:localhost": {}}).outputs
    assert all(outputs[name].startswith("http://10.96.") for name in ("mlflow_url", "s3_url", "vault_url"))


def test_the_first_preview_runs_although_no_address_or_password_is_known(build: Build) -> None:
    previewed, updated = build(preview=True), build()
    assert {each.urn for each in previewed.resources} == {each.urn for each in updated.resources}


def test_an_address_that_a_dry_run_invented_stays_unknown(build: Build) -> None:
    graph = build({"aegis:localhost": {}}, preview=True)
    assert graph.outputs["mlflow_url"] == UNKNOWN
    vault = next(each for each in graph.resources if each.type == "pulumi:providers:vault")
    assert vault.inputs["address"] == graph.outputs["mlflow_url"]
