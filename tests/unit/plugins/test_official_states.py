"""A stack may go from the official plugins to the embedded ones and back, and neither finds anything to change.

The states in `official_states` are what the official plugins write; each file tells from which sources it was derived.
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
    """What an official plugin leaves in a state for what a program gives."""

    type: str
    id: str
    program: Bag
    states: dict[str, dict[str, Bag]]
    vault: dict[str, Any]


def bag(tree: Any) -> Bag:
    """Read properties as they come over the wire."""
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
    """A provider whose cluster doesn't answer, which it asks once: nothing listens on port 1."""
    provider = KubernetesProvider(RecordingHost())
    context = {"name": "c", "context": {"cluster": "k", "user": "u"}}
    cluster = {"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}
    text = json.dumps({"current-context": "c", "contexts": [context], "clusters": [cluster], "users": [{"name": "u"}]})
    provider.configure({"kubeconfig": text})
    return provider


class RecordedVault(Vault):
    """Answers what a Vault answered, and keeps what is written."""

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
    def make(given: Official) -> tuple[VaultProvider, RecordedVault]:
        provider, vault = VaultProvider(host), RecordedVault(given.vault)
        provider._vault = vault
        return provider, vault

    return make


def planned(provider: Provider, request_for: RequestFor, given: Official, state: dict[str, Bag]) -> Diff:
    """Return what the next preview finds when the program gives what it gave."""
    new = provider.check(request_for(given.type, inputs=given.program, old_inputs=state["inputs"]))
    return provider.diff(
        request_for(given.type, id=given.id, inputs=new, old_inputs=state["inputs"], state=state["outputs"])
    )


def without_own_notes(outputs: Bag) -> set[str]:
    """The names of outputs, without what the bridge to Terraform writes for itself."""
    return {name for name in outputs if not name.startswith("__")}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("given", [*official("vault"), *official("random")])
def test_nothing_changes_in_a_state_that_the_official_plugins_left(
    given: Official, after: str, host: RecordingHost, request_for: RequestFor
) -> None:
    provider = VaultProvider(host) if given.type.startswith("vault") else RandomProvider(host)
    assert planned(provider, request_for, given, given.states[after]) == Diff()


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("given", official("kubernetes"))
def test_nothing_changes_in_a_state_that_the_official_kubernetes_plugin_left(
    given: Official, after: str, kubernetes: KubernetesProvider, request_for: RequestFor
) -> None:
    assert planned(kubernetes, request_for, given, given.states[after]) == Diff()


@pytest.mark.parametrize("given", official("kubernetes"))
def test_a_state_of_a_kubernetes_object_has_the_official_form(given: Official) -> None:
    official = given.states["up"]["outputs"]
    live = {name: value for name, value in official.items() if not name.startswith("__")}
    assert checkpoint.write(reveal_bag(live), given.states["up"]["inputs"], official["__fieldManager"]) == official


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
def test_an_empty_value_that_says_something_is_a_change_of_an_official_state(
    kind: str, change: Bag, kubernetes: KubernetesProvider, request_for: RequestFor
) -> None:
    given = next(each.values[0] for each in official("kubernetes") if each.values[0].type.endswith(f":{kind}"))
    program = replace(given, program=_changed(given.program, {"spec": change}))
    assert planned(kubernetes, request_for, program, given.states["up"]).changes


def _changed(tree: Bag, change: Bag) -> Bag:
    return tree | {
        key: _changed(tree[key], value) if isinstance(value, dict) and isinstance(tree.get(key), dict) else value
        for key, value in change.items()
    }


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("given", official("vault"))
def test_a_refresh_of_an_official_state_finds_nothing_and_the_next_preview_either(
    given: Official, after: str, vaulted: Vaulted, request_for: RequestFor
) -> None:
    provider, _ = vaulted(given)
    state = given.states[after]
    read = provider.read(request_for(given.type, id=given.id, inputs=state["inputs"], state=state["outputs"]))
    assert read is not None
    assert read.inputs == state["inputs"]
    found = {"inputs": read.inputs, "outputs": read.outputs}
    assert planned(provider, request_for, given, found) == Diff()


@pytest.mark.parametrize("given", official("vault"))
def test_a_new_resource_has_the_outputs_that_the_official_plugin_writes(
    given: Official, vaulted: Vaulted, request_for: RequestFor
) -> None:
    provider, _ = vaulted(given)
    made = provider.create(request_for(given.type, inputs=given.program))
    wanted = given.states["up"]["outputs"]
    assert made.id == given.id
    assert set(made.outputs) == without_own_notes(wanted)
    # Where the official plugin writes a value, its next preview takes the lack of one for a change.
    lacking = {name for name in made.outputs if made.outputs[name] is None and wanted[name] not in (None, "", [], {})}
    assert not lacking


def of(type_token: str) -> Official:
    return next(each.values[0] for each in official("vault") if each.values[0].type == type_token)


@pytest.mark.parametrize("name", ["keySize", "minDecryptionVersion", "derived", "convergentEncryption"])
def test_a_key_is_never_replaced_by_a_default_that_a_provider_fills_in(
    name: str, host: RecordingHost, request_for: RequestFor
) -> None:
    key = of(KEY)
    provider = VaultProvider(host)
    filled = key.states["up"]["inputs"]
    without = {each: value for each, value in filled.items() if each not in (name, "__defaults")}
    for old in (filled, without, without | {name: None}, key.program):
        changed = provider.diff(request_for(KEY, inputs=key.program, old_inputs=old))
        assert changed == Diff(), old


def test_an_input_that_the_program_gave_and_gives_no_more_is_a_change_and_is_emptied(
    vaulted: Vaulted, request_for: RequestFor
) -> None:
    role = of(ROLE)
    provider, vault = vaulted(role)
    old = role.states["up"]["inputs"]
    less = {name: value for name, value in role.program.items() if name not in ("tokenMaxTtl", "audience")}
    wanted = request_for(ROLE, id=role.id, inputs=less, old_inputs=old, state=role.states["up"]["outputs"])
    assert set(provider.diff(wanted).changes) == {("tokenMaxTtl",), ("audience",)}
    provider.update(wanted)
    written = vault.written[role.id]
    assert (written["token_max_ttl"], written["audience"]) == (0, "")


def test_options_of_a_mount_change_in_place_as_a_new_mount_would_lose_what_the_old_one_holds(
    vaulted: Vaulted, request_for: RequestFor
) -> None:
    mount = of(MOUNT)
    provider, vault = vaulted(mount)
    old = mount.states["up"]["inputs"]
    wanted = request_for(MOUNT, inputs=mount.program | {"options": {"version": "2"}}, old_inputs=old)
    changed = provider.diff(wanted)
    assert changed.changes
    assert not changed.replaces
    provider.update(replace(wanted, id=mount.id))
    assert vault.written["sys/mounts/signing/tune"]["options"] == {"version": "2"}


def test_an_audit_device_is_made_replaced_and_disabled_by_its_path(vaulted: Vaulted, request_for: RequestFor) -> None:
    audit = of("vault:index/audit:Audit")
    provider, vault = vaulted(audit)
    made = provider.create(request_for(audit.type, inputs=audit.program))
    assert (made.id, made.outputs["path"]) == ("file", "file")
    assert vault.written["sys/audit/file"] == {"type": "file", "options": {"file_path": "stdout"}, "local": False}
    moved = audit.program | {"options": {"file_path": "/vault/audit.log"}}
    changed = provider.diff(request_for(audit.type, inputs=moved, old_inputs=audit.program))
    assert changed.replaces
    assert changed.delete_before_replace, "both would have the same path"
    up = audit.states["up"]
    provider.delete(request_for(audit.type, id="file", inputs=up["inputs"], state=up["outputs"]))
    assert vault.written["sys/audit/file"] == {}


def test_what_a_bridge_filled_into_an_aws_resource_at_any_depth_is_no_change(
    host: RecordingHost, request_for: RequestFor
) -> None:
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
