"""An external Vault server: its CA certificate and namespace reach Pulumi's provider and the signing pod."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

import contracts
from tests.support.engine import ROOT, Graph, run_program, stack_config
from tests.support.tls import self_signed

DEV = ROOT / "stacks" / "Pulumi.dev.yaml"


@pytest.fixture(autouse=True)
def _surroundings(surroundings: None) -> None:
    pass


def dev(**vault: str) -> Graph:
    """Return the graph of dev with more settings of Vault."""
    settings = {"kind": "external", "address": "https://vault.example.com:8200", **vault}
    return run_program(stack_config(DEV, {"aegis:vault": settings}), stack="dev")


def provider(graph: Graph) -> dict[str, Any]:
    return next(each.inputs for each in graph.resources if each.type == "pulumi:providers:vault")


def signer(graph: Graph) -> dict[str, Any]:
    return next(pod for workload, pod, _ in graph.pods() if workload.name == "release-run")


def variables(graph: Graph) -> dict[str, str]:
    return {each["name"]: each.get("value") for each in signer(graph)["containers"][0]["env"]}


def test_the_provider_and_the_signer_use_the_namespace() -> None:
    graph = dev(namespace="admin/ml")
    assert provider(graph)["namespace"] == "admin/ml"
    assert variables(graph)["VAULT_NAMESPACE"] == "admin/ml"


def test_the_provider_and_the_signer_check_vault_against_its_authority(tmp_path: Path) -> None:
    authority, _ = self_signed(tmp_path)
    graph = dev(authorities=str(authority))
    assert provider(graph)["caCertFile"] == str(authority)
    assert variables(graph)["VAULT_CACERT"] == contracts.VAULT_CA_PATH
    pod = signer(graph)
    mount = next(each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "vault-authorities")
    volume = next(each for each in pod["volumes"] if each["name"] == "vault-authorities")
    config_map = graph.one("ConfigMap", "release-vault-authorities")
    assert config_map.outputs["metadata"]["name"] == volume["configMap"]["name"]
    files = {f"{mount['mountPath']}/{file}": text for file, text in config_map.inputs["data"].items()}
    assert files == {contracts.VAULT_CA_PATH: authority.read_text()}


def test_a_relative_path_starts_at_the_root_of_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    # The working directory of the program and its providers.
    monkeypatch.chdir(ROOT / "infra")
    graph = dev(authorities="infra/aws/authorities/eu-west-1.pem")
    assert provider(graph)["caCertFile"] == "aws/authorities/eu-west-1.pem"


def test_without_these_settings_neither_is_set() -> None:
    graph = dev()
    assert not provider(graph).keys() & {"caCertFile", "namespace"}
    assert not variables(graph).keys() & {"VAULT_CACERT", "VAULT_NAMESPACE"}


def test_a_private_key_beside_the_authority_is_refused_as_pods_would_read_it(tmp_path: Path) -> None:
    authority, key = self_signed(tmp_path)
    both = tmp_path / "both.pem"
    both.write_text(authority.read_text() + key.read_text())
    with pytest.raises(pulumi.RunError, match=r"aegis:vault\.authorities: got .*without a private key"):
        dev(authorities=str(both))


def test_an_external_vault_gets_no_audit_device() -> None:
    assert dev().of_kind("Audit") == []
