"""Changes of Kubernetes objects, and which of them require a replacement."""

import base64
from collections.abc import Iterable
from typing import Any

import pytest

from local.plugins import paths
from local.plugins.kubernetes.changes import compare
from local.plugins.kubernetes.client import Object
from local.plugins.kubernetes.inputs import from_api, imported, observed, to_api
from local.plugins.kubernetes.kubeconfig import Access
from local.plugins.kubernetes.quantities import amount
from local.plugins.kubernetes.settings import Settings
from local.plugins.provider import Change, Diff
from local.plugins.values import UNKNOWN

SETTINGS = Settings(access=Access(server="https://cluster"))
MUTABLE = Settings(access=Access(server="https://cluster"), config_map_mutable=True, secret_mutable=True)


def thing(kind: str, api_version: str = "v1", name: str = "web", **rest: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, **rest}


def deployment(**spec: Any) -> Object:
    return thing("Deployment", "apps/v1", spec=spec)


def diff(old: Object, new: Object, settings: Settings = SETTINGS, ignored: Iterable[paths.Path] = ()) -> Diff:
    return compare(old, new, tuple(ignored), settings)


@pytest.mark.parametrize(
    ("one", "other"),
    [("500m", "0.5"), ("1Gi", "1024Mi"), ("1000", "1k"), (2, "2"), ("2000m", 2), ("1e3", "1k"), ("1.5Gi", "1536Mi")],
)
def test_equal_quantities_in_different_notations_are_the_same(one: Any, other: Any) -> None:
    assert amount(one) == amount(other)


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "one", "1KiB", True, None, {}])
def test_a_value_that_isnt_a_quantity_is_none(text: Any) -> None:
    assert amount(text) is None


def test_another_notation_is_a_change_in_data_but_not_in_a_resource_request() -> None:
    container = {"name": "web", "resources": {"requests": {"cpu": "500m"}}}
    same = {"name": "web", "resources": {"requests": {"cpu": "0.5"}}}
    assert not diff(deployment(containers=[container]), deployment(containers=[same])).changes
    assert diff(thing("ConfigMap", data={"requests": "1000m"}), thing("ConfigMap", data={"requests": "1"})).changes


def test_an_explicit_default_namespace_isnt_a_change() -> None:
    old, new = thing("Service"), thing("Service")
    old["metadata"] = {"name": "web"}
    new["metadata"] = {"name": "web", "namespace": "default"}
    assert not diff(old, new).changes
    new["metadata"] = {"name": "web", "namespace": "shop"}
    assert diff(old, new).replaces == {("metadata", "namespace")}


def test_a_new_selector_replaces_a_deployment_and_new_replicas_dont() -> None:
    old = deployment(replicas=1, selector={"matchLabels": {"app": "web"}})
    changed = diff(old, deployment(replicas=2, selector={"matchLabels": {"app": "shop"}}))
    assert changed.replaces == {("spec", "selector", "matchLabels", "app")}
    assert set(changed.changes) == {("spec", "selector", "matchLabels", "app"), ("spec", "replicas")}
    assert changed.delete_before_replace


@pytest.mark.parametrize(
    ("kind", "api_version", "old", "new", "replaces"),
    [
        ("Job", "batch/v1", {"template": {"spec": {"a": 1}}}, {"template": {"spec": {"a": 2}}}, True),
        ("Job", "batch/v1", {"backoffLimit": 1}, {"backoffLimit": 2}, False),
        ("StatefulSet", "apps/v1", {"serviceName": "a"}, {"serviceName": "b"}, True),
        ("StatefulSet", "apps/v1", {"volumeClaimTemplates": [{}]}, {"volumeClaimTemplates": [{"a": 1}]}, True),
        ("StatefulSet", "apps/v1", {"replicas": 1, "template": {"a": 1}}, {"replicas": 2, "template": {}}, False),
        ("Service", "v1", {"clusterIP": "None"}, {}, True),
        ("Service", "v1", {"type": "ClusterIP"}, {"type": "NodePort"}, False),
        ("PersistentVolumeClaim", "v1", {"storageClassName": "a"}, {"storageClassName": "b"}, True),
        (
            "PersistentVolumeClaim",
            "v1",
            {"resources": {"requests": {"storage": "1Gi"}}},
            {"resources": {"requests": {"storage": "2Gi"}}},
            False,
        ),
        ("Pod", "v1", {"containers": [{"image": "a"}]}, {"containers": [{"image": "b"}]}, True),
    ],
)
def test_a_change_of_an_immutable_field_replaces_the_object(
    kind: str, api_version: str, old: Object, new: Object, replaces: bool
) -> None:
    changed = diff(thing(kind, api_version, spec=old), thing(kind, api_version, spec=new))
    assert changed.changes
    assert bool(changed.replaces) == replaces


def test_a_new_role_replaces_a_role_binding_and_new_parameters_replace_a_storage_class() -> None:
    binding = ("RoleBinding", "rbac.authorization.k8s.io/v1")
    assert diff(thing(*binding, roleRef={"name": "a"}), thing(*binding, roleRef={"name": "b"})).replaces
    storage = ("StorageClass", "storage.k8s.io/v1")
    assert diff(thing(*storage, parameters={"type": "gp2"}), thing(*storage, parameters={"type": "gp3"})).replaces


def test_new_data_replaces_config_maps_and_secrets_unless_they_are_mutable() -> None:
    for kind in ("ConfigMap", "Secret"):
        old, new = thing(kind, data={"a": "MQ=="}), thing(kind, data={"a": "Mg=="})
        assert diff(old, new).replaces == {("data", "a")}
        assert diff(old, new).delete_before_replace
        assert not diff(old, new, MUTABLE).replaces
        assert diff(old, new | {"immutable": True}, MUTABLE).replaces


def test_an_auto_named_object_is_replaced_before_the_old_one_is_deleted() -> None:
    old, new = thing("ConfigMap", data={"a": "1"}), thing("ConfigMap", data={"a": "2"})
    for each in (old, new):
        each["metadata"]["annotations"] = {"pulumi.com/autonamed": "true"}
    assert diff(old, new).replaces
    assert not diff(old, new).delete_before_replace


def test_string_data_equals_its_encoded_data() -> None:
    encoded = base64.b64encode(b"pa55").decode()
    assert not diff(thing("Secret", stringData={"p": "pa55"}), thing("Secret", data={"p": encoded})).changes
    assert diff(thing("Secret", stringData={"p": "pa55"}), thing("Secret", stringData={"p": "other"})).changes


def test_an_unknown_value_is_a_change_unless_its_path_is_ignored() -> None:
    old, new = deployment(replicas=1), deployment(replicas=UNKNOWN)
    assert diff(old, new).changes == {("spec", "replicas"): Change.UPDATE}
    assert not diff(old, new, ignored=[("spec", "replicas")]).changes


def test_replace_unready_replaces_a_job_without_a_change() -> None:
    same = thing("Job", "batch/v1", spec={})
    changed = compare(same, same, (), SETTINGS, replace_anyway=True)
    assert changed.replaces == {("metadata", "annotations", "pulumi.com/replaceUnready")}


def test_observed_inputs_contain_only_fields_that_the_program_sets() -> None:
    program_inputs = deployment(
        replicas=2,
        template={"spec": {"containers": [{"name": "web", "image": "a", "resources": {"limits": {"cpu": "1000m"}}}]}},
    )
    live = deployment(
        replicas=3,
        strategy={"type": "RollingUpdate"},
        template={
            "spec": {
                "containers": [
                    {"name": "injected", "image": "x"},
                    {"name": "web", "image": "a", "resources": {"limits": {"cpu": "1"}}, "imagePullPolicy": "Always"},
                ]
            }
        },
    )
    refreshed = observed(live | {"status": {"replicas": 3}}, program_inputs)
    assert refreshed["spec"]["replicas"] == 3
    assert refreshed["spec"]["template"] == program_inputs["spec"]["template"], (
        "defaults, injected containers and other notations aren't drift"
    )
    assert "status" not in refreshed


def test_a_deleted_key_and_a_changed_list_are_drift() -> None:
    program_inputs = thing("ConfigMap", data={"a": "1", "b": "2"})
    assert observed(thing("ConfigMap", data={"a": "1"}), program_inputs)["data"] == {"a": "1"}
    program_inputs = deployment(template={"spec": {"containers": [{"name": "web", "args": ["a", "b"]}]}})
    live = deployment(template={"spec": {"containers": [{"name": "web", "args": ["a"]}]}})
    assert observed(live, program_inputs) == live


def test_drift_of_a_secret_is_shown_as_string_data_if_the_program_uses_it() -> None:
    program_inputs = thing("Secret", stringData={"p": "pa55"})
    live = thing("Secret", data={"p": base64.b64encode(b"changed").decode()}, type="Opaque")
    assert observed(live, program_inputs)["stringData"] == {"p": "changed"}
    assert "data" not in observed(live, program_inputs)


def test_an_empty_value_that_the_api_server_omits_isnt_drift() -> None:
    program_inputs = thing("NetworkPolicy", "networking.k8s.io/v1", spec={"podSelector": {}, "ingress": []})
    live = thing("NetworkPolicy", "networking.k8s.io/v1", spec={"podSelector": {}})
    assert not diff(observed(live, program_inputs), program_inputs).changes


def test_an_imported_object_has_no_status_and_no_read_only_metadata() -> None:
    live = thing("ConfigMap", data={"a": "1"}, status={})
    live["metadata"] |= {"uid": "1", "resourceVersion": "2", "managedFields": [], "labels": {"a": "b"}}
    assert imported(live) == thing("ConfigMap", data={"a": "1"}) | {
        "metadata": {"name": "web", "namespace": "shop", "labels": {"a": "b"}}
    }


def test_schema_extensions_have_dashes_in_the_api_and_underscores_in_pulumi() -> None:
    definition = thing("CustomResourceDefinition", spec={"versions": [{"x_kubernetes_list_type": "map"}]})
    sent = to_api(definition)
    assert sent["spec"] == {"versions": [{"x-kubernetes-list-type": "map"}]}
    assert from_api(sent) == definition
    other = thing("ConfigMap", data={"x_kubernetes_list_type": "1"})
    assert to_api(other) == other
