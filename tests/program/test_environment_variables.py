"""The stack sets every environment variable in `contracts.Env`, and a workload reads it."""

import re

import hvac.v1
import pytest

import contracts
from tests.program.conftest import stack_graph, surround
from tests.support.engine import ROOT, STACK_FILES, Graph, run_program, stack_config

NAMES = {name: value for name, value in vars(contracts.Env).items() if name.isupper()}
# Set only by people, who have no pod's identity.
BY_PEOPLE = {"VAULT_TOKEN", "SIGNING_KEY_FILE"}
# Read by hvac, the workloads' Vault library, on import.
BY_HVAC = {"VAULT_CACERT"}
# An external Vault server with all of its settings.
EXTERNAL_VAULT = {
    "kind": "external",
    "address": "https://vault.example.com:8200",
    "namespace": "admin/ml",
    "authorities": "infra/aws/authorities/eu-west-1.pem",
}
MONITORED = {"kind": "in-cluster", "certificateHosts": ["mlflow.example.com"]}
# A database on RDS whose owner has a password.
WITH_PASSWORD = {"kind": "rds", "auth": "password", "instanceClass": "db.m7g.large"}


def set_in(graph: Graph) -> set[str]:
    """Return the names of all containers' variables, including those from ConfigMaps and Secrets."""
    named = {
        each["name"]
        for _, pod, _ in graph.pods()
        for container in pod["containers"]
        for each in container.get("env", [])
    }
    data = [
        each.inputs.get("data") or each.inputs.get("stringData") or {} for each in graph.of_kind("ConfigMap", "Secret")
    ]
    return named.union(*data)


@pytest.fixture(scope="module")
def by_stacks(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        surround(monkeypatch, tmp_path_factory.mktemp("surroundings"))
        logs = {"format": "json", "level": "debug"}
        changes = {"aegis:vault": EXTERNAL_VAULT, "aegis:database": WITH_PASSWORD, "aegis:logs": logs}
        other = run_program(stack_config(ROOT / "stacks" / "Pulumi.dev.yaml", changes), stack="dev")
        monitored = run_program(stack_config(ROOT / "stacks" / "Pulumi.local.yaml", {"aegis:monitoring": MONITORED}))
    return set_in(other).union(set_in(monitored), *(set_in(stack_graph(path)) for path in STACK_FILES))


def texts(*patterns: str) -> str:
    return "\n".join(path.read_text() for pattern in patterns for path in sorted(ROOT.glob(pattern)))


@pytest.mark.parametrize("name", sorted(NAMES.keys() - BY_PEOPLE))
def test_the_stack_or_an_image_build_sets_the_variable(by_stacks: set[str], name: str) -> None:
    built = texts("workloads/images/*/Containerfile", "local/images/*.py")
    assert NAMES[name] in by_stacks or NAMES[name] in built or f"Env.{name}" in built


@pytest.mark.parametrize("name", sorted(NAMES.keys() - BY_HVAC))
def test_a_workload_reads_the_variable(name: str) -> None:
    # Texts for people, such as a command's help, name a variable in braces, which doesn't count as reading it.
    code = re.sub(r"\{Env\.\w+\}", "", texts("workloads/**/*.py"))
    assert re.search(rf"\bEnv\.{name}\b", code)


@pytest.mark.parametrize("name", sorted(BY_HVAC))
def test_hvac_reads_the_variable(name: str) -> None:
    assert hasattr(hvac.v1, NAMES[name])


def test_the_signer_gets_the_mounts_and_the_key_that_the_stack_creates() -> None:
    graph = stack_graph(ROOT / "stacks" / "Pulumi.ci.yaml")
    pod = next(pod for workload, pod, _ in graph.pods() if workload.name == "release-run")
    variables = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    mount, key, method = (
        graph.one("Mount").inputs,
        graph.one("SecretBackendKey").inputs,
        graph.one("AuthBackend").inputs,
    )
    assert (variables[NAMES["VAULT_TRANSIT_MOUNT"]], variables[NAMES["VAULT_TRANSIT_KEY"]]) == (
        mount["path"],
        key["name"],
    )
    assert variables[NAMES["VAULT_AUTH_MOUNT"]] == method["path"]
    assert f'path "{mount["path"]}/sign/{key["name"]}"' in graph.one("Policy").inputs["policy"]
    defaults = {contracts.TRANSIT_MOUNT, contracts.TRANSIT_KEY, contracts.KUBERNETES_AUTH_MOUNT}
    assert not defaults & {mount["path"], key["name"], method["path"]}
