"""Rules that hold for the graph of every stack file."""

import re
from collections import Counter
from typing import Any

from contracts import SIGNING_KEYS_CONFIG_MAP, SIGNING_KEYS_FILE, SIGNING_KEYS_FOLDER, WANTED_KEY, Env
from infra.limits.quantities import mebibytes
from tests.support.engine import PUBLIC_KEY, Graph, Registered

GENERATED = {"ConfigMap", "Secret", "Job", "ClusterRoleBinding"}
# Kinds that other objects refer to by name, or whose names people type.
NAMED = {
    "Namespace",
    "Service",
    "ServiceAccount",
    "StatefulSet",
    "Deployment",
    "CronJob",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "StorageClass",
    "ResourceQuota",
    "LimitRange",
    "Role",
    "RoleBinding",
}
# Pods that the reconciler makes, by a label of its own (tests/program/test_serving.py).
PART = "aegis.serving/part"


def containers(graph: Graph) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{workload.name}/{container['name']}", container)
        for workload, pod, _ in graph.pods()
        for container in [*pod.get("initContainers", []), *pod["containers"]]
    ]


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items()


def kubernetes(graph: Graph) -> list[Registered]:
    return [resource for resource in graph.custom() if resource.type.startswith("kubernetes:")]


def test_every_resource_has_an_explicit_provider(graph: Graph) -> None:
    ambient = [resource.name for resource in graph.custom() if not resource.provider]
    assert ambient == []


def test_every_resource_belongs_to_a_component(graph: Graph) -> None:
    parents = {resource.urn: resource.type for resource in graph.resources}
    strays = [each.name for each in graph.custom() if not parents.get(each.parent, "").startswith("aegis:")]
    assert strays == []


def test_no_two_resources_share_a_urn(graph: Graph) -> None:
    assert [urn for urn, count in Counter(each.urn for each in graph.resources).items() if count > 1] == []


def test_children_are_named_after_their_component(graph: Graph) -> None:
    components = {each.urn: each.name for each in graph.resources if each.type.startswith("aegis:")}
    strangers = [
        each.name
        for each in graph.resources
        if each.parent in components and not each.name.startswith(components[each.parent])
    ]
    assert strangers == []


def test_every_container_has_requests_and_limits(graph: Graph) -> None:
    for name, container in containers(graph):
        for side in ("requests", "limits"):
            assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"][side]), f"{name} {side}"


def test_a_pod_may_fill_its_scratch_volumes_and_its_log_without_eviction(graph: Graph) -> None:
    # The kubelet counts both against the sum of the containers' limits. A log may take 50Mi.
    for workload, pod, _ in graph.pods():
        on_disk = [
            volume["emptyDir"] for volume in pod["volumes"] if "medium" not in volume.get("emptyDir", {"medium": 1})
        ]
        allowed = [container["resources"]["limits"]["ephemeral-storage"] for container in pod["containers"]]
        room = sum(mebibytes(size) for size in allowed) - sum(mebibytes(volume["sizeLimit"]) for volume in on_disk)
        assert room >= 50 * len(pod["containers"]), workload.name


def test_every_stateful_set_has_the_headless_service_that_it_names(graph: Graph) -> None:
    services = {(each.namespace, each.object_name): each.inputs["spec"] for each in graph.of_kind("Service")}
    for workload, _, labels in graph.pods():
        if workload.kind == "StatefulSet":
            named = services[workload.namespace, workload.inputs["spec"]["serviceName"]]
            assert named["clusterIP"] == "None", workload.name
            assert named["selector"].items() <= labels.items(), workload.name


def test_every_pod_passes_the_restricted_standard(graph: Graph) -> None:
    for workload, pod, _ in graph.pods():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, workload.name
        assert security["runAsUser"] > 0, workload.name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, workload.name
        assert not pod.get("hostNetwork"), workload.name
        assert all("hostPath" not in volume for volume in pod["volumes"]), workload.name


def test_every_container_passes_the_restricted_standard_with_a_read_only_root(graph: Graph) -> None:
    for name, container in containers(graph):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }, name


def test_every_scratch_volume_has_a_limit(graph: Graph) -> None:
    for workload, pod, _ in graph.pods():
        for volume in pod["volumes"]:
            assert "emptyDir" not in volume or volume["emptyDir"].get("sizeLimit"), f"{workload.name} {volume['name']}"


def test_a_restart_leaves_the_modes_of_a_volume_s_files_alone(graph: Graph) -> None:
    assert {pod["securityContext"]["fsGroupChangePolicy"] for _, pod, _ in graph.pods()} == {"OnRootMismatch"}


def test_only_pods_that_ask_the_api_server_get_a_token_for_it(graph: Graph) -> None:
    assert {workload.name for workload, pod, _ in graph.pods() if pod["automountServiceAccountToken"]} <= {
        "vault-server",
        "serving-reconciler-server",
        "kube-state-metrics-server",
    }


def test_no_pod_gets_variables_named_after_services(graph: Graph) -> None:
    assert all(pod["enableServiceLinks"] is False for _, pod, _ in graph.pods())


def test_every_long_running_container_is_probed(graph: Graph) -> None:
    for workload, pod, _ in graph.pods():
        if workload.kind in ("Deployment", "StatefulSet"):
            for container in pod["containers"]:
                assert {"readinessProbe", "livenessProbe"} <= set(container), workload.name


def test_readiness_and_liveness_probes_differ(graph: Graph) -> None:
    for name, container in containers(graph):
        if "readinessProbe" in container:
            ready, alive = (
                {how: container[probe].get(how) for how in ("httpGet", "exec", "tcpSocket")}
                for probe in ("readinessProbe", "livenessProbe")
            )
            assert ready != alive, name


def test_every_namespace_enforces_the_restricted_standard(graph: Graph) -> None:
    for namespace in graph.of_kind("Namespace"):
        assert namespace.inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_namespace_denies_traffic_by_default(graph: Graph) -> None:
    for namespace in graph.of_kind("Namespace"):
        policy = graph.one("NetworkPolicy", "default-deny", namespace.object_name)
        assert policy.inputs["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_pod_runs_in_a_namespace_of_the_stack(graph: Graph) -> None:
    namespaces = {each.object_name for each in graph.of_kind("Namespace")}
    assert {workload.namespace for workload, _, _ in graph.pods()} <= namespaces


def test_every_kubernetes_object_forces_its_fields_in_conflicts(graph: Graph) -> None:
    objects = [each for each in graph.custom() if each.type.startswith("kubernetes:")]
    lax = [
        each.name
        for each in objects
        if each.inputs["metadata"].get("annotations", {}).get("pulumi.com/patchForce") != "true"
    ]
    assert not lax, "a patch of one of their fields by another manager would fail the next preview with a conflict"


def test_no_secret_has_an_empty_map_which_the_api_server_drops(graph: Graph) -> None:
    empty = [each.name for each in graph.of_kind("Secret") if each.inputs.get("stringData") == {}]
    assert not empty, "the official provider would replace it with every update"


def test_every_network_policy_selects_pods_of_its_namespace(graph: Graph) -> None:
    # The pods of a team's namespace aren't in the stack, and the reconciler makes those of the served models.
    for policy in (each for each in graph.of_kind("NetworkPolicy") if not (each.namespace or "").startswith("team-")):
        if PART in policy.inputs["spec"]["podSelector"].get("matchLabels", {}):
            continue
        selected = [
            workload.name
            for workload, _, labels in graph.pods()
            if workload.namespace == policy.namespace and selects(policy.inputs["spec"]["podSelector"], labels)
        ]
        assert selected, policy.name


def test_every_peer_of_a_network_policy_is_a_pod_of_the_stack(graph: Graph) -> None:
    pods = {(workload.namespace, labels["app.kubernetes.io/name"]) for workload, _, labels in graph.pods()}
    for policy in graph.of_kind("NetworkPolicy"):
        for rule in [*policy.inputs["spec"].get("ingress", []), *policy.inputs["spec"].get("egress", [])]:
            for peer in [*rule.get("from", []), *rule.get("to", [])]:
                name = peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/name")
                elsewhere = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
                assert name is None or (elsewhere or policy.namespace, name) in pods, policy.name


def test_egress_and_ingress_rules_match(graph: Graph) -> None:
    sent = {flow for policy in graph.of_kind("NetworkPolicy") for flow in flows(policy, "egress", "to")}
    received = {flow for policy in graph.of_kind("NetworkPolicy") for flow in flows(policy, "ingress", "from")}
    assert sent == received


def component(selector: dict[str, Any]) -> str | None:
    labels = selector.get("matchLabels", {})
    return labels.get("app.kubernetes.io/name") or labels.get(PART)


def flows(policy: Registered, direction: str, end: str) -> set[tuple[Any, ...]]:
    """Return the flows between pods that a policy allows, as (source, destination, port)."""
    pods = (policy.namespace, component(policy.inputs["spec"]["podSelector"]))
    found = set()
    for rule in policy.inputs["spec"].get(direction, []):
        for peer in rule.get(end, []):
            name = component(peer.get("podSelector", {}))
            namespace = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
            if (name is None and namespace is None) or namespace == "kube-system":
                continue
            other = (namespace or policy.namespace, name)
            pair = (pods, other) if direction == "egress" else (other, pods)
            found |= {(*pair, port["port"]) for port in rule["ports"]}
    return found


def test_every_service_selects_pods_that_listen_on_its_port(graph: Graph) -> None:
    for service in graph.of_kind("Service"):
        if PART in service.inputs["spec"]["selector"]:
            continue
        ports = {
            port["containerPort"]
            for workload, pod, labels in graph.pods()
            if workload.namespace == service.namespace and service.inputs["spec"]["selector"].items() <= labels.items()
            for container in pod["containers"]
            for port in container.get("ports", [])
        }
        assert {port["targetPort"] for port in service.inputs["spec"]["ports"]} <= ports, service.name


def test_every_disruption_budget_selects_the_pods_of_a_deployment(graph: Graph) -> None:
    for budget in graph.of_kind("PodDisruptionBudget"):
        matching = [
            workload.name
            for workload, _, labels in graph.pods()
            if workload.kind == "Deployment" and selects(budget.inputs["spec"]["selector"], labels)
        ]
        assert len(matching) == 1, budget.name


def test_every_autoscaler_has_a_target_that_leaves_its_replicas_alone(graph: Graph) -> None:
    deployments = {each.object_name: each for each in graph.of_kind("Deployment")}
    for autoscaler in graph.of_kind("HorizontalPodAutoscaler"):
        target = deployments[autoscaler.inputs["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target.inputs["spec"]


def test_every_deployment_has_an_autoscaler_or_a_number_of_replicas(graph: Graph) -> None:
    scaled = {
        (each.namespace, each.inputs["spec"]["scaleTargetRef"]["name"])
        for each in graph.of_kind("HorizontalPodAutoscaler")
    }
    for each in graph.of_kind("Deployment"):
        assert ((each.namespace, each.object_name) in scaled) != ("replicas" in each.inputs["spec"]), each.name


def test_kinds_that_are_referred_to_have_fixed_names_and_the_rest_generated_ones(graph: Graph) -> None:
    for resource in kubernetes(graph):
        assert resource.kind in NAMED | GENERATED, resource.name
        in_place = resource.object_name == SIGNING_KEYS_CONFIG_MAP or WANTED_KEY in resource.inputs.get("data", {})
        named = resource.kind in NAMED or in_place
        assert (resource.object_name is not None) == named, resource.name


def test_the_signing_keys_change_in_place_in_the_folder_of_running_pods(graph: Graph) -> None:
    """A new name would need new pods, and so would a file mounted by subPath."""
    in_place = {each.urn for each in graph.resources if each.name == "cluster-in-place"}
    published = [each for each in graph.of_kind("ConfigMap") if each.object_name == SIGNING_KEYS_CONFIG_MAP]
    teams = {each.object_name for each in graph.of_kind("Namespace") if (each.object_name or "").startswith("team-")}
    serving = {each.namespace for each in graph.of_kind("Deployment")} - {"mlflow", "monitoring"}
    assert {each.namespace for each in published} == {"mlflow"} | teams | serving
    assert all(each.inputs["data"] == {SIGNING_KEYS_FILE: PUBLIC_KEY} for each in published)
    assert all(any(each.provider.startswith(urn) for urn in in_place) for each in published)
    [pod] = [pod for workload, pod, _ in graph.pods() if workload.name == "mlflow-server"]
    [container] = pod["containers"]
    [mount] = [each for each in container["volumeMounts"] if each["name"] == SIGNING_KEYS_CONFIG_MAP]
    assert mount == {"name": SIGNING_KEYS_CONFIG_MAP, "mountPath": SIGNING_KEYS_FOLDER, "readOnly": True}
    config = graph.one("ConfigMap", "mlflow-config").inputs["data"]
    assert config[Env.TRUSTED_KEYS] == SIGNING_KEYS_FOLDER
    assert config[Env.GUARDED_ALIASES] == "champion,candidate,production"
    assert config[Env.GUARDED_STAGES] == "Staging,Production"


def test_secret_values_are_only_in_secrets_and_the_vault_provider(graph: Graph) -> None:
    leaks = [each.name for each in graph.custom() if each.secrets and each.kind != "Secret"]
    assert leaks == []
    assert {each.name for each in graph.resources if each.secrets and each.type.startswith("pulumi:providers:")} <= {
        "vault"
    }


def test_no_config_map_and_no_command_line_holds_a_generated_password(graph: Graph) -> None:
    # A mocked password ends in as many x as the password has characters.
    generated = re.compile("x{32}")
    for config in graph.of_kind("ConfigMap"):
        assert not generated.search(str(config.inputs)), config.name
    for name, container in containers(graph):
        assert not generated.search(str(container)), name


def test_every_scheduled_job_runs_alone_and_in_utc(graph: Graph) -> None:
    for schedule in graph.of_kind("CronJob"):
        spec = schedule.inputs["spec"]
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["timeZone"] == "Etc/UTC"
        assert spec["startingDeadlineSeconds"] > 0


def test_pulumi_waits_for_a_job_beyond_its_deadline(graph: Graph) -> None:
    for job in graph.of_kind("Job"):
        deadline = job.inputs["spec"]["activeDeadlineSeconds"]
        assert "ttlSecondsAfterFinished" not in job.inputs["spec"]
        assert int(job.create_timeout.removesuffix("s")) > deadline, job.name


def test_pulumi_does_not_wait_for_the_pods_of_a_service(graph: Graph) -> None:
    assert all(
        each.inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true" for each in graph.of_kind("Service")
    )


def test_an_update_replaces_a_pod_that_is_not_ready(graph: Graph) -> None:
    assert all(each.inputs["spec"]["podManagementPolicy"] == "Parallel" for each in graph.of_kind("StatefulSet"))


def test_workloads_with_fixed_names_are_deleted_before_they_are_replaced(graph: Graph) -> None:
    for each in graph.of_kind("StatefulSet", "Deployment"):
        assert each.delete_before_replace, each.name


def test_no_container_sets_a_variable_twice(graph: Graph) -> None:
    for name, container in containers(graph):
        counts = Counter(each["name"] for each in container["env"])
        assert [variable for variable, count in counts.items() if count > 1] == [], name
