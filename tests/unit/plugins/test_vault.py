import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from local.plugins.provider import InvalidInputsError, PluginError
from local.plugins.values import UNKNOWN, Bag, Secret
from local.plugins.vault.client import Server, Vault, server
from local.plugins.vault.kind import api_name
from local.plugins.vault.provider import VaultProvider
from tests.unit.plugins.support import RecordingHost, RequestFor

KEY = "vault:transit/secretBackendKey:SecretBackendKey"
ROLE = "vault:kubernetes/authBackendRole:AuthBackendRole"
CONFIG = "vault:kubernetes/authBackendConfig:AuthBackendConfig"
POLICY = "vault:index/policy:Policy"


@pytest.fixture
def provider(host: RecordingHost) -> VaultProvider:
    return VaultProvider(host)


def test_names_become_vaults_snake_case() -> None:
    assert api_name("minDecryptionVersion") == "min_decryption_version"
    assert api_name("boundServiceAccountNames") == "bound_service_account_names"


def test_a_preview_of_a_key_shows_its_defaults_but_not_the_key(
    provider: VaultProvider, request_for: RequestFor
) -> None:
    inputs = {"backend": "transit", "name": "aegis-cosign", "type": "ecdsa-p256"}
    outputs = provider.create(request_for(KEY, inputs=inputs, preview=True)).outputs
    assert outputs["deletionAllowed"] is False
    assert outputs["keys"] is UNKNOWN


def test_a_new_type_replaces_a_key_and_its_deletion_flag_changes_in_place(
    provider: VaultProvider, request_for: RequestFor
) -> None:
    old = {"backend": "transit", "name": "k", "type": "ecdsa-p256"}
    retyped = provider.diff(request_for(KEY, old_inputs=old, inputs=old | {"type": "ed25519"}))
    assert retyped.replaces == {("type",)}
    assert retyped.delete_before_replace, "both keys would have the same name"
    flagged = provider.diff(request_for(KEY, old_inputs=old, inputs=old | {"deletionAllowed": True}))
    assert set(flagged.changes) == {("deletionAllowed",)}
    assert not flagged.replaces


def test_defaults_slashes_and_the_order_of_sets_arent_changes(provider: VaultProvider, request_for: RequestFor) -> None:
    old = {"roleName": "signer", "boundServiceAccountNames": ["a", "b"], "tokenPolicies": ["x", "y"]}
    new = {"backend": "kubernetes/", "roleName": "signer", "boundServiceAccountNames": ["b", "a"]}
    assert not provider.diff(request_for(ROLE, old_inputs=old, inputs=new | {"tokenPolicies": ["y", "x"]})).changes
    assert provider.diff(request_for(ROLE, old_inputs=old, inputs=new | {"tokenPolicies": ["y"]})).changes


def test_white_space_around_a_certificate_isnt_a_change(provider: VaultProvider, request_for: RequestFor) -> None:
    old = {"kubernetesHost": "https://10.0.0.1", "kubernetesCaCert": "-----BEGIN CERTIFICATE-----\nAA\n"}
    new = old | {"kubernetesCaCert": old["kubernetesCaCert"].strip()}
    assert not provider.diff(request_for(CONFIG, old_inputs=old, inputs=new)).changes
    assert provider.diff(request_for(CONFIG, old_inputs=old, inputs=new | {"kubernetesCaCert": "other"})).changes


def test_a_reviewer_token_is_always_secret(provider: VaultProvider, request_for: RequestFor) -> None:
    inputs = {"kubernetesHost": "https://10.0.0.1", "tokenReviewerJwt": "jwt"}
    outputs = provider.create(request_for(CONFIG, inputs=inputs, preview=True)).outputs
    assert outputs["tokenReviewerJwt"] == Secret("jwt")


def test_a_missing_input_and_an_unknown_one_are_both_named(provider: VaultProvider, request_for: RequestFor) -> None:
    with pytest.raises(InvalidInputsError) as caught:
        provider.check(request_for(ROLE, inputs={"boundServiceAccountName": ["a"], "roleName": "r"}))
    assert set(caught.value.failures) == {"boundServiceAccountNames", "boundServiceAccountName"}


def test_a_policy_without_a_name_gets_one_and_keeps_it(provider: VaultProvider, request_for: RequestFor) -> None:
    checked = provider.check(request_for(POLICY, "signer", inputs={"policy": "x"}, seed=b"1"))
    assert checked["name"].startswith("signer-")
    again = provider.check(request_for(POLICY, "signer", inputs={"policy": "y"}, old_inputs=checked, seed=b"2"))
    assert again["name"] == checked["name"]


def test_an_unknown_type_is_refused_with_the_known_ones(provider: VaultProvider, request_for: RequestFor) -> None:
    with pytest.raises(PluginError, match=r"pkisecret.*SecretBackendKey"):
        provider.check(request_for("vault:pkisecret/secretBackendRole:SecretBackendRole", inputs={}))


def test_address_and_token_come_from_the_provider_or_vaults_environment_variables() -> None:
    settings = server({"address": "http://a:8200", "token": "t"}, {})
    assert (settings.address, settings.token, settings.verify) == ("http://a:8200", "t", True)
    assert server({}, {"VAULT_ADDR": "https://b", "VAULT_TOKEN": "u"}).address == "https://b"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"token": "t"}, "no address"),
        ({"address": "vault:8200", "token": "t"}, "must be an http"),
        ({"address": "http://a", "authLoginJwt": {"role": "r"}}, "authLoginJwt"),
    ],
)
def test_an_incomplete_provider_is_refused_with_the_reason(config: Bag, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        server(config, {})


class Mounts(BaseHTTPRequestHandler):
    """A Vault that gives these answers in turn."""

    answers: ClassVar[list[tuple[int, dict[str, list[str]]]]] = []

    def do_POST(self) -> None:
        status, body = self.answers.pop(0)
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Print nothing."""


@pytest.fixture
def vault() -> Iterator[Vault]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Mounts) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield Vault(Server(address=f"http://127.0.0.1:{served.server_port}", token="root"))
        served.shutdown()
        thread.join()


FAILED = (500, {"errors": ["event not processed by enough 'sink' nodes"]})
EXISTS = (400, {"errors": ["path is already in use at transit/"]})


def test_a_mount_that_an_attempt_made_before_it_failed_is_made(vault: Vault) -> None:
    Mounts.answers = [FAILED, EXISTS]
    assert vault.write("sys/mounts/transit", {"type": "transit"}) == {}


def test_a_mount_that_was_there_before_is_refused(vault: Vault) -> None:
    Mounts.answers = [EXISTS]
    with pytest.raises(PluginError, match="refused sys/mounts/transit: path is already in use at transit/"):
        vault.write("sys/mounts/transit", {"type": "transit"})
