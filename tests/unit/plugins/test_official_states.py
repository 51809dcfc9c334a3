"""A stack can switch between the official and the embedded plugins without any change.

The files in `official_states` contain states as the official plugins write them, and name their sources.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2

from local.plugins.aws.provider import AwsProvider
from local.plugins.kubernetes import checkpoint
from local.plugins.kubernetes.provider import KubernetesProvider
from local.plugins.provider import Diff, Provider
from local.plugins.random.provider import RandomProvider
from local.plugins.values import Bag, decode, reveal_bag
from local.plugins.vault.client import Server, Vault
from local.plugins.vault.provider import VaultProvider
from tests.unit.plugins.support import RecordingHost, RequestFor

KEY = "vault:transit/secretBackendKey:SecretBackendKey"
ROLE = "vault:kubernetes/authBackendRole:AuthBackendRole"
MOUNT = "vault:index/mount:Mount"
AFTER = ("up", "refreshed")


@dataclass(frozen=True, kw_only=True)
class Official:
    """The state that an official plugin writes for a program's inputs."""

    type: str
    id: str
    program: Bag
    states: dict[str, dict[str, Bag]]
    vault: dict[str, Any]


def bag(tree: Any) -> Bag:
    """Decode properties from the engine's protocol."""
    return decode(json_format.ParseDict(tree, struct_pb2.Struct()))


def _state(recorded: Any) -> dict[str, Bag]:
    return {part: bag(tree) for part, tree in recorded.items()}


def official(package: str) -> list[Any]:
    """Return the states of a package, one for each type that the program uses."""
    recorded = json.loads((Path(__file__).parent / "official_states" / f"{package}.json").read_text())["states"]
    return [
        pytest.param(
            Official(
                type=each["type"],
                id=each["id"],
                program=bag(each["program"]),
                states={after: _state(each.get(after) or each["up"]) for after in AFTER},
                vault=each.get("vault", {}),
            ),
            id=each["type"].rpartition("/")[2],
        )
        for each in recorded
    ]


@pytest.fixture(scope="module")
def kubernetes() -> KubernetesProvider:
    """A provider whose cluster is unreachable: nothing listens on port 1."""
    provider = KubernetesProvider(RecordingHost())
    context = {"name": "c", "context": {"cluster": "k", "user": "u"}}
    cluster = {"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}
    text = json.dumps({"current-context": "c", "contexts": [context], "clusters": [cluster], "users": [{"name": "u"}]})
    provider.configure({"kubeconfig": text})
    return provider


class RecordedVault(Vault):
    """Returns recorded responses of a Vault server, and records writes."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__(Server(address="http://vault", token="t"))
        self._answers = answers
        self.written: dict[str, Bag] = {}

    def read(self, path: str) -> Bag | None:
        return self._answers.get(path)

    def write(self, path: str, data: Bag) -> Bag:
        self.written[path] = data
        return {}

    def delete(self, path: str) -> None:
        self.written[path] = {}


Vaulted = Callable[[Official], tuple[VaultProvider, RecordedVault]]


@pytest.fixture
def vaulted(host: RecordingHost) -> Vaulted:
    def make(case: Official) -> tuple[VaultProvider, RecordedVault]:
        provider, vault = VaultProvider(host), RecordedVault(case.vault)
        provider._vault = vault
        return provider, vault

    return make


def planned(provider: Provider, request_for: RequestFor, case: Official, state: dict[str, Bag]) -> Diff:
    """Return the diff of the next preview of the unchanged program."""
    new = provider.check(request_for(case.type, inputs=case.program, old_inputs=state["inputs"]))
    return provider.diff(
        request_for(case.type, id=case.id, inputs=new, old_inputs=state["inputs"], state=state["outputs"])
    )


def without_internal(outputs: Bag) -> set[str]:
    """Return the names of outputs, without the internal ones of the Terraform bridge."""
    return {name for name in outputs if not name.startswith("__")}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("case", [*official("vault"), *official("random")])
def test_a_state_of_the_official_plugins_has_no_changes(
    case: Official, after: str, host: RecordingHost, request_for: RequestFor
) -> None:
    provider = VaultProvider(host) if case.type.startswith("vault") else RandomProvider(host)
    assert planned(provider, request_for, case, case.states[after]) == Diff()


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("case", official("kubernetes"))
def test_a_state_of_the_official_kubernetes_plugin_has_no_changes(
    case: Official, after: str, kubernetes: KubernetesProvider, request_for: RequestFor
) -> None:
    assert planned(kubernetes, request_for, case, case.states[after]) == Diff()


@pytest.mark.parametrize("case", official("kubernetes"))
def test_a_state_of_a_kubernetes_object_has_the_official_form(case: Official) -> None:
    official = case.states["up"]["outputs"]
    live = {name: value for name, value in official.items() if not name.startswith("__")}
    assert checkpoint.write(reveal_bag(live), case.states["up"]["inputs"], official["__fieldManager"]) == official


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Deployment", {"replicas": 0}),
        ("Job", {"backoffLimit": 0}),
        ("Job", {"template": {"spec": {"containers": [{"name": "other", "env": []}]}}}),
        ("NetworkPolicy", {"podSelector": {"matchLabels": {"app": "web"}}}),
        ("NetworkPolicy", {"ingress": [{"from": [{"podSelector": {}}]}]}),
        ("StatefulSet", {"template": {"spec": {"automountServiceAccountToken": True}}}),
        ("StatefulSet", {"template": {"spec": {"securityContext": {"runAsUser": 0}}}}),
    ],
)
def test_a_meaningful_empty_value_is_a_change_of_an_official_state(
    kind: str, change: Bag, kubernetes: KubernetesProvider, request_for: RequestFor
) -> None:
    case = next(each.values[0] for each in official("kubernetes") if each.values[0].type.endswith(f":{kind}"))
    program = replace(case, program=_changed(case.program, {"spec": change}))
    assert planned(kubernetes, request_for, program, case.states["up"]).changes


def _changed(tree: Bag, change: Bag) -> Bag:
    return tree | {
        key: _changed(tree[key], value) if isinstance(value, dict) and isinstance(tree.get(key), dict) else value
        for key, value in change.items()
    }


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("case", official("vault"))
def test_a_refresh_of_an_official_state_and_the_next_preview_have_no_changes(
    case: Official, after: str, vaulted: Vaulted, request_for: RequestFor
) -> None:
    provider, _ = vaulted(case)
    state = case.states[after]
    read = provider.read(request_for(case.type, id=case.id, inputs=state["inputs"], state=state["outputs"]))
    assert read is not None
    assert read.inputs == state["inputs"]
    found = {"inputs": read.inputs, "outputs": read.outputs}
    assert planned(provider, request_for, case, found) == Diff()


@pytest.mark.parametrize("case", official("vault"))
def test_a_new_resource_has_the_official_outputs(case: Official, vaulted: Vaulted, request_for: RequestFor) -> None:
    provider, _ = vaulted(case)
    created = provider.create(request_for(case.type, inputs=case.program))
    expected = case.states["up"]["outputs"]
    assert created.id == case.id
    assert set(created.outputs) == without_internal(expected)
    # The official plugin's next preview would treat a missing value as a change.
    lacking = {
        name for name in created.outputs if created.outputs[name] is None and expected[name] not in (None, "", [], {})
    }
    assert not lacking


def of(type_token: str) -> Official:
    return next(each.values[0] for each in official("vault") if each.values[0].type == type_token)


@pytest.mark.parametrize("name", ["keySize", "minDecryptionVersion", "derived", "convergentEncryption"])
def test_a_default_from_a_provider_never_replaces_a_key(
    name: str, host: RecordingHost, request_for: RequestFor
) -> None:
    key = of(KEY)
    provider = VaultProvider(host)
    filled = key.states["up"]["inputs"]
    without = {each: value for each, value in filled.items() if each not in (name, "__defaults")}
    for old in (filled, without, without | {name: None}, key.program):
        changed = provider.diff(request_for(KEY, inputs=key.program, old_inputs=old))
        assert changed == Diff(), old


def test_a_removed_input_is_a_change_and_is_written_as_empty(vaulted: Vaulted, request_for: RequestFor) -> None:
    role = of(ROLE)
    provider, vault = vaulted(role)
    old = role.states["up"]["inputs"]
    less = {name: value for name, value in role.program.items() if name not in ("tokenMaxTtl", "audience")}
    request = request_for(ROLE, id=role.id, inputs=less, old_inputs=old, state=role.states["up"]["outputs"])
    assert set(provider.diff(request).changes) == {("tokenMaxTtl",), ("audience",)}
    provider.update(request)
    written = vault.written[role.id]
    assert (written["token_max_ttl"], written["audience"]) == (0, "")


def test_options_of_a_mount_change_in_place_because_a_new_mount_would_lose_its_data(
    vaulted: Vaulted, request_for: RequestFor
) -> None:
    mount = of(MOUNT)
    provider, vault = vaulted(mount)
    old = mount.states["up"]["inputs"]
    request = request_for(MOUNT, inputs=mount.program | {"options": {"version": "2"}}, old_inputs=old)
    changed = provider.diff(request)
    assert changed.changes
    assert not changed.replaces
    provider.update(replace(request, id=mount.id))
    assert vault.written["sys/mounts/signing/tune"]["options"] == {"version": "2"}


def test_an_audit_device_is_created_replaced_and_disabled_by_its_path(
    vaulted: Vaulted, request_for: RequestFor
) -> None:
    audit = of("vault:index/audit:Audit")
    provider, vault = vaulted(audit)
    created = provider.create(request_for(audit.type, inputs=audit.program))
    assert (created.id, created.outputs["path"]) == ("file", "file")
    assert vault.written["sys/audit/file"] == {"type": "file", "options": {"file_path": "stdout"}, "local": False}
    moved = audit.program | {"options": {"file_path": "/vault/audit.log"}}
    changed = provider.diff(request_for(audit.type, inputs=moved, old_inputs=audit.program))
    assert changed.replaces
    assert changed.delete_before_replace, "both would have the same path"
    up = audit.states["up"]
    provider.delete(request_for(audit.type, id="file", inputs=up["inputs"], state=up["outputs"]))
    assert vault.written["sys/audit/file"] == {}


def test_defaults_from_the_bridge_arent_changes_at_any_depth(host: RecordingHost, request_for: RequestFor) -> None:
    bucket = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    rule = {"id": "old", "status": "Enabled", "filter": {"prefix": ""}, "expiration": {"days": 30}}
    program = {"bucket": "models", "rules": [rule]}
    filled = {
        **program,
        "__defaults": ["transitionDefaultMinimumObjectSize"],
        "transitionDefaultMinimumObjectSize": "all_storage_classes_128K",
        "rules": [rule | {"__defaults": [], "filter": {"__defaults": [], "prefix": ""}, "priority": None}],
    }
    assert AwsProvider(host).diff(request_for(bucket, inputs=program, old_inputs=filled)) == Diff()
