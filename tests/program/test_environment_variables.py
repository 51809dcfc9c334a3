"""Every variable that the stack and the workloads agree on is set by the one and read by the other."""

import re

import hvac.v1
import pytest

import contracts
from tests.program.conftest import stack_graph, surround
from tests.support.engine import ROOT, STACK_FILES, Graph, run_program, stack_config

NAMES = {name: value for name, value in vars(contracts.Env).items() if name.isupper()}
# Set by people and their tools alone, who work without a pod's identity.
BY_PEOPLE = {"VAULT_TOKEN"}
# Read by the workloads' library for Vault, when it is imported.
BY_HVAC = {"VAULT_CACERT"}
# A Vault that others keep, with all that can be set of it.
EXTERNAL_VAULT = {
    "kind": "external",
    "address": "https://vault.example.com:8200",
    "namespace": "admin/ml",
    "authorities": "infra/aws/authorities/eu-west-1.pem",
}
# A database of RDS whose owner has a password.
WITH_PASSWORD = {"kind": "rds", "auth": "password", "instanceClass": "db.m7g.large"}


def set_in(graph: Graph) -> set[str]:
    """The variables of all containers, with those that come whole from a ConfigMap or a Secret."""
    named = {
        each["name"]
        for _, pod, _ in graph.pods()
        for container in pod["containers"]
        for each in container.get("env", [])
    }
    kept = [
        each.inputs.get("data") or each.inputs.get("stringData") or {} for each in graph.of_kind("ConfigMap", "Secret")
    ]
    return named.union(*kept)


@pytest.fixture(scope="module")
def by_stacks(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        surround(monkeypatch, tmp_path_factory.mktemp("surroundings"))
        changes = {"aegis:vault": EXTERNAL_VAULT, "aegis:database": WITH_PASSWORD}
        other = run_program(stack_config(ROOT / "stacks" / "Pulumi.dev.yaml", changes), stack="dev")
    return set_in(other).union(*(set_in(stack_graph(path)) for path in STACK_FILES))


def texts(*patterns: str) -> str:
    return "\n".join(path.read_text() for pattern in patterns for path in sorted(ROOT.glob(pattern)))


@pytest.mark.parametrize("name", sorted(NAMES.keys() - BY_PEOPLE))
def test_the_stack_or_the_build_of_its_images_sets_what_a_workload_reads(by_stacks: set[str], name: str) -> None:
    built = texts("workloads/images/*/Containerfile", "local/images/*.py")
    assert NAMES[name] in by_stacks or NAMES[name] in built or f"Env.{name}" in built


@pytest.mark.parametrize("name", sorted(NAMES.keys() - BY_HVAC))
def test_a_workload_reads_what_the_stack_sets(name: str) -> None:
    # Read where it is taken from the environment; a text for people, such as a command's help, names it in braces.
    code = re.sub(r"\{Env\.\w+\}", "", texts("workloads/**/*.py"))
    assert re.search(rf"\bEnv\.{name}\b", code)


@pytest.mark.parametrize("name", sorted(BY_HVAC))
def test_the_client_library_of_vault_reads_what_it_is_left_to_read(name: str) -> None:
    assert hasattr(hvac.v1, NAMES[name])


def test_the_signer_is_told_the_mounts_and_the_key_that_the_stack_makes() -> None:
    graph = stack_graph(ROOT / "stacks" / "Pulumi.ci.yaml")
    pod = next(pod for workload, pod, _ in graph.pods() if workload.name == "release-run")
    told = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    mount, key, method = (
        graph.one("Mount").inputs,
        graph.one("SecretBackendKey").inputs,
        graph.one("AuthBackend").inputs,
    )
    assert (told[NAMES["VAULT_TRANSIT_MOUNT"]], told[NAMES["VAULT_TRANSIT_KEY"]]) == (mount["path"], key["name"])
    assert told[NAMES["VAULT_AUTH_MOUNT"]] == method["path"]
    assert f'path "{mount["path"]}/sign/{key["name"]}"' in graph.one("Policy").inputs["policy"]
    defaults = {contracts.TRANSIT_MOUNT, contracts.TRANSIT_KEY, contracts.KUBERNETES_AUTH_MOUNT}
    assert not defaults & {mount["path"], key["name"], method["path"]}
