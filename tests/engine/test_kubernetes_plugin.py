"""The embedded plugin `kubernetes` with the real engine, against a real API server without nodes."""

import base64
import json
from pathlib import Path

import pytest

from local.servers import Kubernetes
from tests.engine.stack import EngineError, Stack

HEAD = """
    import pulumi
    import pulumi_kubernetes as k8s
    from pulumi import ResourceOptions

    config = pulumi.Config()
    provider = k8s.Provider(
        "cluster",
        kubeconfig=open({kubeconfig!r}).read(),
        cluster_identifier="test",
        enable_config_map_mutable=config.get_bool("mutable"),
    )
    namespace = k8s.core.v1.Namespace(
        "namespace", metadata={{"name": {namespace!r}}}, opts=ResourceOptions(provider=provider)
    )
    opts = ResourceOptions(provider=provider, parent=namespace, depends_on=[namespace])
    place = namespace.metadata.name
"""

SHOP = """
    labels = {"app": "web"}
    settings = k8s.core.v1.ConfigMap(
        "settings", metadata={"namespace": place, "name": "settings"}, data={"color": config.get("color") or "red"},
        opts=opts,
    )
    auto = k8s.core.v1.ConfigMap(
        "auto", metadata={"namespace": place}, data={"color": config.get("color") or "red"}, opts=opts
    )
    secret = k8s.core.v1.Secret(
        "secret", metadata={"namespace": place, "name": "secret"},
        string_data={"password": pulumi.Output.secret("hunter2")}, opts=opts,
    )
    container = {
        "name": "web", "image": "nowhere/web", "resources": {"requests": {"cpu": "1000m", "memory": "0.5Gi"}},
        "env": [{"name": "COLOR", "value": config.get("color") or "red"}],
    }
    web = k8s.apps.v1.Deployment(
        "web",
        metadata={"namespace": place, "name": "web", "annotations": {"pulumi.com/skipAwait": "true"}},
        spec={
            "selector": {"match_labels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
        opts=opts,
    )
    k8s.core.v1.Service(
        "service", metadata={"namespace": place, "name": "web"},
        spec={"cluster_ip": "None", "selector": labels, "ports": [{"port": 80}]}, opts=opts,
    )
    k8s.autoscaling.v2.HorizontalPodAutoscaler(
        "scaler", metadata={"namespace": place, "name": "web"},
        spec={
            "min_replicas": 2, "max_replicas": 10,
            "scale_target_ref": {"api_version": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [
                {"type": "Resource", "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "average_utilization": 70},
                }}
            ],
        },
        opts=opts,
    )
    k8s.networking.v1.NetworkPolicy(
        "deny", metadata={"namespace": place, "name": "deny"},
        spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]}, opts=opts,
    )
    k8s.policy.v1.PodDisruptionBudget(
        "budget", metadata={"namespace": place, "name": "web"},
        spec={"min_available": 1, "selector": {"match_labels": labels}}, opts=opts,
    )
    role = k8s.rbac.v1.ClusterRole(
        "role", metadata={"name": place.apply(lambda name: f"{name}-reader")},
        rules=[{"api_groups": [""], "resources": ["pods"], "verbs": ["get"]}], opts=opts,
    )
    k8s.rbac.v1.RoleBinding(
        "binding", metadata={"namespace": place, "name": "reader"},
        role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role.metadata.name},
        subjects=[{"kind": "ServiceAccount", "name": "web", "namespace": place}], opts=opts,
    )
    k8s.batch.v1.CronJob(
        "nightly", metadata={"namespace": place, "name": "nightly"},
        spec={
            "schedule": "0 2 * * *", "concurrency_policy": "Forbid",
            "job_template": {"spec": {"template": {"spec": {
                "restart_policy": "Never", "containers": [{"name": "nightly", "image": "nowhere/nightly"}],
            }}}},
        },
        opts=opts,
    )
    pulumi.export("auto", auto.metadata.name)
    pulumi.export("uid", web.metadata.uid)
"""
# The resources in SHOP and the namespace.
RESOURCES = 12


def write(stack: Stack, kubernetes: Kubernetes, namespace: str, body: str) -> None:
    stack.program(HEAD.format(kubeconfig=str(kubernetes.kubeconfig), namespace=namespace) + body)


def config_map(kubernetes: Kubernetes, namespace: str, name: str = "settings") -> dict:
    return kubernetes.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")


def test_objects_are_created_unchanged_the_second_time_and_destroyed(stack: Stack, kubernetes: Kubernetes) -> None:
    write(stack, kubernetes, "cycle", SHOP)
    assert stack.preview().counts == {"create": RESOURCES}
    assert stack.up().counts == {"create": RESOURCES}
    outputs = stack.outputs()
    assert outputs["auto"].startswith("auto-")
    assert config_map(kubernetes, "cycle")["data"] == {"color": "red"}
    secret = kubernetes.get("/api/v1/namespaces/cycle/secrets/secret")
    assert base64.b64decode(secret["data"]["password"]) == b"hunter2"

    assert stack.preview().counts == {"same": RESOURCES}
    assert stack.refresh().counts == {"same": RESOURCES}
    assert stack.preview().counts == {"same": RESOURCES}, "a refresh without drift changes nothing"

    stored = json.dumps(stack.state())
    assert "hunter2" not in stored
    assert secret["data"]["password"] not in stored

    assert stack.destroy().counts == {"delete": RESOURCES}
    assert kubernetes.get("/api/v1/namespaces/cycle") is None
    assert kubernetes.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/cycle-reader") is None


def test_a_changed_setting_updates_or_replaces_only_the_affected_objects(stack: Stack, kubernetes: Kubernetes) -> None:
    write(stack, kubernetes, "change", SHOP)
    stack.up()
    before = stack.outputs()
    stack.config(color="blue")

    planned = stack.preview()
    assert planned.differences == {
        "settings": {"data.color"},
        "auto": {"data.color"},
        "web": {"spec.template.spec.containers[0].env[0].value"},
    }
    updated = stack.up()
    assert updated.steps["settings"] == "replace"
    assert updated.steps["auto"] == "replace"
    assert updated.steps["web"] == "update"
    assert updated.counts["same"] == RESOURCES - 3
    after = stack.outputs()
    assert config_map(kubernetes, "change")["data"] == {"color": "blue"}
    assert after["auto"] != before["auto"], "a new name makes its users roll out again"
    assert config_map(kubernetes, "change", before["auto"]) is None
    assert after["uid"] == before["uid"]


def test_a_mutable_config_map_changes_in_place(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.config(mutable="true")
    write(stack, kubernetes, "mutable", SHOP)
    stack.up()
    uid = config_map(kubernetes, "mutable")["metadata"]["uid"]
    stack.config(color="blue")
    assert stack.up().steps["settings"] == "update"
    changed = config_map(kubernetes, "mutable")
    assert changed["data"] == {"color": "blue"}
    assert changed["metadata"]["uid"] == uid


def test_a_refresh_shows_drift_and_an_update_reverts_it(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.config(mutable="true")
    write(stack, kubernetes, "drift", SHOP)
    stack.up()
    kubernetes.patch("/api/v1/namespaces/drift/configmaps/settings", {"data": {"color": "green", "mine": "1"}})
    kubernetes.delete("/apis/policy/v1/namespaces/drift/poddisruptionbudgets/web")

    refreshed = stack.refresh()
    assert refreshed.steps["settings"] == "update"
    assert refreshed.steps["budget"] == "delete"
    assert refreshed.counts["same"] == RESOURCES - 2

    updated = stack.up()
    assert updated.steps["settings"] == "update"
    assert updated.steps["budget"] == "create"
    assert updated.counts["same"] == RESOURCES - 2
    assert config_map(kubernetes, "drift")["data"] == {"color": "red"}, "the key that kubectl added is removed, too"
    assert stack.preview().counts == {"same": RESOURCES}


SCALER = """
    k8s.autoscaling.v2.HorizontalPodAutoscaler(
        "scaler",
        metadata={
            "namespace": place, "name": "web",
            "annotations": {"pulumi.com/patchForce": "true"} if config.get_bool("force") else {},
        },
        spec={
            "min_replicas": 2, "max_replicas": config.get_int("most") or 10,
            "scale_target_ref": {"api_version": "apps/v1", "kind": "Deployment", "name": "web"},
        },
        opts=opts,
    )
"""


@pytest.mark.parametrize("manager", ["kubectl-patch", "operator"])
def test_a_patched_field_is_a_conflict_unless_the_program_forces_it(
    stack: Stack, kubernetes: Kubernetes, manager: str
) -> None:
    name = f"conflict-{manager}"
    write(stack, kubernetes, name, SCALER)
    stack.up()
    path = f"/apis/autoscaling/v2/namespaces/{name}/horizontalpodautoscalers/web"
    kubernetes.patch(path, {"spec": {"minReplicas": 5}}, manager=manager)
    assert stack.refresh().steps["scaler"] == "update"
    with pytest.raises(EngineError) as refused:
        stack.preview()
    message = " ".join(str(refused.value).split())
    assert "server-side apply field conflict detected, see https://www.pulumi.com/registry/" in message
    assert 'The resource managed by field manager "pulumi-kubernetes-' in message
    assert f'conflict with "{manager}" using autoscaling/v2: .spec.minReplicas' in message

    stack.config(force="true")
    assert stack.preview().differences["scaler"] >= {"spec.minReplicas"}
    assert stack.up().steps["scaler"] == "update"
    assert kubernetes.get(path)["spec"]["minReplicas"] == 2
    assert stack.refresh().steps["scaler"] == "same"
    assert stack.preview().steps["scaler"] == "same"


def test_an_update_uses_the_manager_in_the_state_so_it_never_conflicts_with_itself(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    write(stack, kubernetes, "manager", SCALER)
    stack.up()
    manager = stack.state()["scaler"]["outputs"]["__fieldManager"]
    stack.config(most="20")
    assert stack.preview().differences == {"scaler": {"spec.maxReplicas"}}
    assert stack.up().steps["scaler"] == "update"
    assert stack.state()["scaler"]["outputs"]["__fieldManager"] == manager
    live = kubernetes.get("/apis/autoscaling/v2/namespaces/manager/horizontalpodautoscalers/web")
    applied = [each["manager"] for each in live["metadata"]["managedFields"] if each["operation"] == "Apply"]
    assert applied == [manager]


def test_a_field_that_a_controller_owns_is_a_conflict_unless_it_is_ignored(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    body = """
    k8s.apps.v1.Deployment(
        "web", metadata={"namespace": place, "name": "web", "annotations": {"pulumi.com/skipAwait": "true"}},
        spec={
            "replicas": config.get_int("replicas") or 1,
            "selector": {"match_labels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": config.get("image") or "nowhere/web"}]},
            },
        },
        opts=ResourceOptions(
            provider=provider, depends_on=[namespace],
            ignore_changes=["spec.replicas"] if config.get_bool("ignore") else None,
        ),
    )
    """
    write(stack, kubernetes, "owned", body)
    stack.up()
    path = "/apis/apps/v1/namespaces/owned/deployments/web"
    kubernetes.patch(path, {"spec": {"replicas": 5}}, manager="autoscaler")
    stack.config(replicas="2")
    with pytest.raises(EngineError, match=r"conflict with .*autoscaler.*spec\.replicas") as caught:
        stack.up()
    assert "ignore_changes" in str(caught.value)

    stack.config(ignore="true", image="nowhere/other")
    stack.up()
    live = kubernetes.get(path)
    assert live["spec"]["replicas"] == 5
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "nowhere/other"


def test_an_object_that_never_becomes_ready_stays_in_the_state_and_is_retried(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    body = """
    k8s.apps.v1.Deployment(
        "web", metadata={"namespace": place, "name": "web"},
        spec={
            "progress_deadline_seconds": 1,
            "replicas": config.get_int("replicas"),
            "selector": {"match_labels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nowhere/web"}]},
            },
        },
        opts=opts,
    )
    """
    stack.config(replicas="1")
    write(stack, kubernetes, "unready", body)
    with pytest.raises(EngineError, match="has timed out progressing"):
        stack.up()
    assert stack.state()["web"]["initErrors"]
    assert stack.preview().steps["web"] == "update", "a failed object is retried without a change"
    stack.config(replicas="0")
    assert stack.up().steps["web"] == "update"
    assert not stack.state()["web"].get("initErrors")


def test_a_custom_timeout_ends_a_wait(stack: Stack, kubernetes: Kubernetes) -> None:
    body = """
    k8s.batch.v1.Job(
        "job", metadata={"namespace": place, "name": "job"},
        spec={"template": {"spec": {"restart_policy": "Never", "containers": [{"name": "j", "image": "nowhere/j"}]}}},
        opts=ResourceOptions(
            provider=provider, depends_on=[namespace], custom_timeouts=pulumi.CustomTimeouts(create="2s")
        ),
    )
    """
    write(stack, kubernetes, "timeout", body)
    with pytest.raises(EngineError, match=r"Job job: not done after 2 s: 1 running, 0 succeeded"):
        stack.up()


def test_a_new_template_replaces_a_job(stack: Stack, kubernetes: Kubernetes) -> None:
    body = """
    k8s.batch.v1.Job(
        "job", metadata={"namespace": place, "name": "job", "annotations": {"pulumi.com/skipAwait": "true"}},
        spec={"template": {"spec": {
            "restart_policy": "Never", "containers": [{"name": "j", "image": config.get("image") or "nowhere/a"}],
        }}},
        opts=opts,
    )
    """
    write(stack, kubernetes, "job", body)
    stack.up()
    uid = kubernetes.get("/apis/batch/v1/namespaces/job/jobs/job")["metadata"]["uid"]
    stack.config(image="nowhere/b")
    assert stack.up().steps["job"] == "replace"
    live = kubernetes.get("/apis/batch/v1/namespaces/job/jobs/job")
    assert live["metadata"]["uid"] != uid
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "nowhere/b"


def test_a_custom_resource_is_created_in_the_same_update_as_its_definition(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    body = """
    definition = k8s.apiextensions.v1.CustomResourceDefinition(
        "definition", metadata={"name": "models.aegis.test"},
        spec={
            "group": "aegis.test", "scope": "Namespaced",
            "names": {"kind": "Model", "plural": "models", "singular": "model"},
            "versions": [{
                "name": "v1", "served": True, "storage": True,
                "schema": {"open_apiv3_schema": {"type": "object", "properties": {"spec": {
                    "type": "object", "x_kubernetes_preserve_unknown_fields": True,
                }}}},
            }],
        },
        opts=opts,
    )
    k8s.apiextensions.CustomResource(
        "model", api_version="aegis.test/v1", kind="Model", metadata={"namespace": place, "name": "m"},
        spec={"size": 3}, opts=ResourceOptions(provider=provider, depends_on=[definition, namespace]),
    )
    """
    write(stack, kubernetes, "custom", body)
    assert stack.up().counts == {"create": 3}
    assert kubernetes.get("/apis/aegis.test/v1/namespaces/custom/models/m")["spec"] == {"size": 3}
    assert stack.refresh().counts == {"same": 3}
    assert stack.preview().counts == {"same": 3}
    stack.destroy()
    assert kubernetes.get("/apis/aegis.test/v1/namespaces/custom/models/m") is None


def test_a_preview_fails_if_the_api_server_would_refuse_an_object(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.program(
        HEAD.format(kubeconfig=str(kubernetes.kubeconfig), namespace="default")
        + """
    k8s.core.v1.Service(
        "bad", metadata={"namespace": "default", "name": "bad"}, spec={"ports": [{"port": 99999}]},
        opts=ResourceOptions(provider=provider),
    )
    """
    )
    with pytest.raises(EngineError, match=r"spec\.ports\[0\]\.port.*99999"):
        stack.preview()


def test_an_unreachable_cluster_is_reported_in_one_line(stack: Stack, kubernetes: Kubernetes, tmp_path: Path) -> None:
    config = json.loads(kubernetes.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    elsewhere = tmp_path / "kubeconfig"
    elsewhere.write_text(json.dumps(config))
    stack.program(HEAD.format(kubeconfig=str(elsewhere), namespace="nowhere"))
    assert stack.preview().counts == {"create": 1}, "a preview needs no cluster"
    with pytest.raises(EngineError, match=r"the Kubernetes cluster is unreachable: https://127\.0\.0\.1:1"):
        stack.up()


def test_an_existing_object_is_imported_and_has_no_changes_afterwards(stack: Stack, kubernetes: Kubernetes) -> None:
    existing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "found"}, "data": {"color": "red"}}
    kubernetes.create("/api/v1/namespaces/default/configmaps", existing)
    body = """
    k8s.core.v1.ConfigMap(
        "found", metadata={"namespace": "default", "name": "found"}, data={"color": "red"},
        opts=ResourceOptions(provider=provider, import_=config.get("import")),
    )
    """
    write(stack, kubernetes, "import", body)
    stack.config(**{"import": "default/found"})
    assert stack.up().steps["found"] == "import"
    stack.run("config", "rm", "import")
    assert stack.preview().steps["found"] == "same"
    stack.destroy()
    assert config_map(kubernetes, "default", "found") is None


def test_a_type_that_isnt_a_single_object_is_a_clear_error(stack: Stack, kubernetes: Kubernetes) -> None:
    body = """
    k8s.core.v1.ConfigMapPatch("patch", metadata={"name": "x"}, opts=opts)
    """
    write(stack, kubernetes, "patch", body)
    with pytest.raises(EngineError, match="can't create a ConfigMapPatch"):
        stack.preview()
