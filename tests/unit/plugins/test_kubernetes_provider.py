"""The provider without a cluster: names, previews, kubeconfigs, types."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.plugins.kubernetes import settings
from local.plugins.kubernetes.kubeconfig import load, run_exec
from local.plugins.kubernetes.objects import kind_of
from local.plugins.kubernetes.provider import KubernetesProvider
from local.plugins.provider import Diff, PluginError
from local.plugins.values import UNKNOWN, Bag, Secret
from tests.unit.plugins.support import RecordingHost, RequestFor

# Nothing listens on port 1.
NOWHERE = "http://127.0.0.1:1"


def kubeconfig(server: str = NOWHERE, **user: Any) -> str:
    return yaml.safe_dump(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "team"}}],
            "clusters": [{"name": "k", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": user}],
        }
    )


@pytest.fixture
def provider(host: RecordingHost) -> KubernetesProvider:
    kubernetes = KubernetesProvider(host)
    kubernetes.configure({"kubeconfig": Secret(kubeconfig())})
    return kubernetes


def config_map(**metadata: Any) -> Bag:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


CONFIG_MAP = "kubernetes:core/v1:ConfigMap"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("kubernetes:core/v1:Namespace", ("v1", "Namespace")),
        ("kubernetes:apps/v1:Deployment", ("apps/v1", "Deployment")),
        ("kubernetes:rbac.authorization.k8s.io/v1:Role", ("rbac.authorization.k8s.io/v1", "Role")),
        ("kubernetes:monitoring.coreos.com/v1:ServiceMonitor", ("monitoring.coreos.com/v1", "ServiceMonitor")),
    ],
)
def test_types_name_an_api_version_and_a_kind(token: str, expected: Any) -> None:
    assert kind_of(token) == expected


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:core/v1:ConfigMapList",
        "kubernetes:core/v1:ServiceAccountPatch",
        "kubernetes:helm.sh:Chart",
        "kubernetes:yaml:ConfigFile",
    ],
)
def test_types_that_arent_single_objects_are_refused_by_name(token: str) -> None:
    with pytest.raises(PluginError, match=token):
        kind_of(token)


def test_a_missing_name_is_generated_and_kept(provider: KubernetesProvider, request_for: RequestFor) -> None:
    checked = provider.check(request_for(CONFIG_MAP, "web", inputs=config_map(), seed=b"1"))
    assert checked["metadata"]["name"].startswith("web-")
    assert checked["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    again = provider.check(request_for(CONFIG_MAP, "web", inputs=config_map(), old_inputs=checked, seed=b"2"))
    assert again == checked


def test_a_fixed_name_stays_unchanged(provider: KubernetesProvider, request_for: RequestFor) -> None:
    checked = provider.check(request_for(CONFIG_MAP, inputs=config_map(name="mine", namespace="shop")))
    assert checked == config_map(name="mine", namespace="shop")


def test_an_unknown_name_stays_unknown(provider: KubernetesProvider, request_for: RequestFor) -> None:
    assert provider.check(request_for(CONFIG_MAP, inputs=config_map(name=UNKNOWN)))["metadata"]["name"] is UNKNOWN
    inputs = config_map() | {"metadata": UNKNOWN}
    assert provider.check(request_for(CONFIG_MAP, inputs=inputs))["metadata"] is UNKNOWN


def test_a_namespaced_object_defaults_to_the_contexts_namespace(
    provider: KubernetesProvider, request_for: RequestFor
) -> None:
    assert provider.check(request_for(CONFIG_MAP, inputs=config_map(name="x")))["metadata"]["namespace"] == "team"
    inputs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}
    assert provider.check(request_for("kubernetes:core/v1:Namespace", inputs=inputs)) == inputs


def test_the_contents_of_a_secret_are_always_secret(provider: KubernetesProvider, request_for: RequestFor) -> None:
    inputs = {"kind": "Secret", "metadata": {"name": "x", "namespace": "y"}, "stringData": {"p": "pa55"}}
    checked = provider.check(request_for("kubernetes:core/v1:Secret", inputs=inputs))
    assert checked["stringData"] == Secret({"p": "pa55"})


def test_generate_name_is_refused(provider: KubernetesProvider, request_for: RequestFor) -> None:
    with pytest.raises(PluginError, match="generateName"):
        provider.check(request_for(CONFIG_MAP, inputs=config_map(generateName="web-")))


def test_a_preview_without_a_cluster_shows_the_inputs(provider: KubernetesProvider, request_for: RequestFor) -> None:
    inputs = config_map(name="x", namespace="y")
    state = provider.create(request_for(CONFIG_MAP, inputs=inputs, preview=True))
    assert state.outputs == inputs
    assert state.id == ""


def test_a_create_or_read_without_a_cluster_says_that_it_is_unreachable(
    provider: KubernetesProvider, request_for: RequestFor
) -> None:
    inputs = config_map(name="x", namespace="y")
    with pytest.raises(PluginError, match=r"unreachable: http://127\.0\.0\.1:1: .*refused"):
        provider.create(request_for(CONFIG_MAP, inputs=inputs))
    with pytest.raises(PluginError, match="PULUMI_K8S_DELETE_UNREACHABLE"):
        provider.read(request_for(CONFIG_MAP, id="y/x", inputs=inputs))


def test_delete_unreachable_removes_objects_of_a_lost_cluster_from_the_state(
    host: RecordingHost, request_for: RequestFor
) -> None:
    provider = KubernetesProvider(host)
    provider.configure({"kubeconfig": kubeconfig(), "deleteUnreachable": "true"})
    request = request_for(CONFIG_MAP, id="y/x", inputs=config_map(name="x"), state=config_map(name="x"))
    assert provider.read(request) is None
    provider.delete(request)
    assert any("deleteUnreachable" in message for _, message in host.messages)


def test_skip_update_unreachable_keeps_the_state(host: RecordingHost, request_for: RequestFor) -> None:
    provider = KubernetesProvider(host)
    provider.configure({"kubeconfig": kubeconfig(), "skipUpdateUnreachable": True})
    request = request_for(CONFIG_MAP, id="y/x", inputs=config_map(name="x"), state={"a": 1})
    state = provider.read(request)
    assert state is not None
    assert state.outputs == {"a": 1}


def test_a_new_cluster_replaces_the_provider_and_a_new_token_doesnt(provider: KubernetesProvider) -> None:
    old = {"kubeconfig": kubeconfig(token="a")}
    assert provider.diff_config(old, {"kubeconfig": kubeconfig("http://other:1", token="a")}).replaces
    changed = provider.diff_config(old, {"kubeconfig": kubeconfig(token="b")})
    assert changed.changes
    assert not changed.replaces


def test_a_cluster_identifier_alone_identifies_the_cluster(provider: KubernetesProvider) -> None:
    old = {"kubeconfig": kubeconfig(), "clusterIdentifier": "prod"}
    assert not provider.diff_config(old, old | {"kubeconfig": kubeconfig("http://other:1")}).replaces
    assert provider.diff_config(old, old | {"clusterIdentifier": "dev"}).replaces
    assert not provider.diff_config({"kubeconfig": kubeconfig()}, old).replaces, "adding an identifier isn't a change"


def test_a_kubeconfig_that_is_only_secret_in_the_state_isnt_a_change(provider: KubernetesProvider) -> None:
    assert provider.diff_config({"kubeconfig": Secret(kubeconfig())}, {"kubeconfig": kubeconfig()}) == Diff()


def test_a_kubeconfig_may_be_text_or_a_file_with_certificate_files(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"ca")
    config = yaml.safe_load(kubeconfig(**{"client-certificate-data": base64.b64encode(b"cert").decode()}))
    config["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    access = load(str(path))
    assert (access.server, access.namespace) == (NOWHERE, "team")
    assert (access.authority, access.certificate) == (b"ca", b"cert")
    assert load(kubeconfig(token="t")).token == "t"


@pytest.mark.parametrize(
    ("source", "context", "message"),
    [
        ("/nowhere/config", None, "can't read /nowhere/config"),
        (kubeconfig(), "staging", "'staging' isn't one of the contexts: c"),
        ("a: [\n", None, "invalid YAML"),
    ],
)
def test_an_invalid_kubeconfig_is_an_error(source: str, context: str | None, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        load(source, context)


def test_a_credential_command_is_run_for_its_token(tmp_path: Path) -> None:
    script = tmp_path / "get-token"
    script.write_text('#!/bin/sh\necho "{\\"status\\": {\\"token\\": \\"$WHO-token\\"}}"\n')
    script.chmod(0o755)
    token, *_ = run_exec({"command": str(script), "env": [{"name": "WHO", "value": "me"}]})
    assert token == "me-token"
    with pytest.raises(PluginError, match="false exited with 1"):
        run_exec({"command": "false"})


@pytest.mark.parametrize(("value", "expected"), [("true", True), (True, True), ("false", False), (None, False)])
def test_flags_may_be_strings_or_booleans(value: Any, expected: Any) -> None:
    config = {"kubeconfig": kubeconfig()} | ({} if value is None else {"enableConfigMapMutable": value})
    assert settings.read(config, {}).config_map_mutable is expected


@pytest.mark.parametrize(("value", "always"), [(None, None), ("true", True), ("false", False), ("1", False)])
def test_patch_force_is_read_from_the_official_plugins_variable(value: str | None, always: bool | None) -> None:
    environment = {} if value is None else {"PULUMI_K8S_ENABLE_PATCH_FORCE": value}
    assert settings.read({"kubeconfig": kubeconfig()}, environment).patch_force is always


def test_an_invalid_flag_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match="deleteUnreachable must be true or false, got 'maybe'"):
        settings.read({"kubeconfig": kubeconfig(), "deleteUnreachable": "maybe"}, {})


def test_an_input_that_only_the_official_plugin_supports_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match="renderYamlToDirectory"):
        settings.read({"kubeconfig": kubeconfig(), "renderYamlToDirectory": "/tmp/x"}, {})
