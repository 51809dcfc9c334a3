"""The scheduled promotion: a CronJob of the signer, only where the settings switch it on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import contracts
from tests.program import test_invariants
from tests.program.conftest import stack_graph
from tests.support.engine import ROOT, STACK_FILES, Graph, run_program, stack_config
from tests.support.policies import breaches, of_graph

POLICY = "workloads/registry/examples/policy.yaml"
SETTINGS = {"aegis:promotion": {"enabled": True, "schedule": "15 * * * *", "policy": POLICY}}
# The folders that both containers of the pod see.
SHARED = ("/etc/aegis/policy", "/etc/aegis/signing-keys", "/run/report")
VAULT = {
    "kind": "external",
    "address": "https://vault.example.com:8200",
    "authorities": "infra/aws/authorities/eu-west-1.pem",
}


@pytest.fixture(scope="module")
def graph(module_surroundings: None) -> Graph:
    return run_program(stack_config(ROOT / "stacks" / "Pulumi.local.yaml", SETTINGS))


def pod_of(graph: Graph) -> dict[str, Any]:
    return next(pod for workload, pod, _ in graph.pods() if workload.name == "promotion-schedule")


def judge_of(graph: Graph) -> dict[str, Any]:
    [container] = pod_of(graph)["initContainers"]
    return container


def signer_of(graph: Graph) -> dict[str, Any]:
    [container] = pod_of(graph)["containers"]
    return container


def mounts_of(container: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["mountPath"]: each for each in container["volumeMounts"]}


def require_powerless(graph: Graph) -> None:
    """Require that the judge has no credentials."""
    judge = judge_of(graph)
    assert {each["name"] for each in judge["env"]} == {"MLFLOW_TRACKING_URI", "AEGIS_TRUSTED_KEYS"}
    assert judge.get("envFrom", []) == []
    assert set(mounts_of(judge)) == {*SHARED, "/tmp"}
    pod = pod_of(graph)
    assert pod["automountServiceAccountToken"] is False
    assert not pod.get("shareProcessNamespace")
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert all(set(volumes[mount["name"]]) - {"name"} <= {"emptyDir", "configMap"} for mount in judge["volumeMounts"])


@pytest.mark.parametrize("stack_file", STACK_FILES, ids=lambda path: path.name)
def test_only_ci_which_tests_it_switches_it_on(stack_file: Path) -> None:
    promotions = [each.name for each in stack_graph(stack_file).resources if "promotion" in each.name]
    assert bool(promotions) == (stack_file.name == "Pulumi.ci.yaml")


@pytest.mark.parametrize("rule", [rule for name, rule in vars(test_invariants).items() if name.startswith("test_")])
def test_the_rules_of_every_stack_hold_with_it(rule: Callable[[Graph], None], graph: Graph) -> None:
    rule(graph)


def test_one_runs_at_a_time_within_a_deadline(graph: Graph) -> None:
    spec = graph.one("CronJob", "promotion").inputs["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("15 * * * *", "Etc/UTC", "Forbid")
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 3600
    assert spec["startingDeadlineSeconds"] == 3600


def test_it_promotes_the_released_model_by_the_policy_of_the_repository(graph: Graph) -> None:
    for container, step in ((judge_of(graph), "--judge"), (signer_of(graph), "--verdict")):
        assert container["command"] == ["python", "-m", "workloads.registry", "auto-promote"]
        policy, report = "/etc/aegis/policy/policy.yaml", "/run/report/report.json"
        assert container["args"] == ["--policy", policy, step, report, "--json", "--", "aegis-classifier"]
        assert "/aegis/trainer:" in container["image"]
    text = (ROOT / POLICY).read_text()
    [config_map] = [each for each in graph.of_kind("ConfigMap") if each.name == "promotion-policy"]
    assert config_map.inputs["data"] == {"policy.yaml": text}


def test_it_is_the_signer_and_trusts_the_stack_s_keys(graph: Graph) -> None:
    assert pod_of(graph)["serviceAccountName"] == contracts.SIGNER_SERVICE_ACCOUNT
    container = signer_of(graph)
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert variables["AEGIS_TRUSTED_KEYS"] == "/etc/aegis/signing-keys"
    assert {"MLFLOW_TRACKING_URI", "VAULT_ADDR", "AEGIS_VAULT_ROLE", "AEGIS_RELEASES_BUCKET"} <= set(variables)
    assert set(mounts_of(container)) == {*SHARED, "/tmp", "/var/run/secrets/vault"}
    assert container["envFrom"] != []


def test_the_judge_runs_model_code_and_sees_nothing_that_signs(graph: Graph) -> None:
    require_powerless(graph)


def test_the_judge_leaves_nothing_but_its_report(graph: Graph) -> None:
    judge, signer = mounts_of(judge_of(graph)), mounts_of(signer_of(graph))
    writable = {folder: mount["name"] for folder, mount in judge.items() if not mount.get("readOnly")}
    assert set(writable) == {"/tmp", "/run/report"}
    # Programs of the main container read settings in their home folder, /tmp.
    assert writable["/tmp"] not in {mount["name"] for mount in signer.values()}
    assert (signer["/run/report"]["name"], signer["/run/report"]["readOnly"]) == (writable["/run/report"], True)
    volumes = {each["name"]: each for each in pod_of(graph)["volumes"]}
    assert "emptyDir" in volumes[writable["/run/report"]]


def test_it_reaches_mlflow_the_object_store_and_vault_only(graph: Graph) -> None:
    policy = graph.one("NetworkPolicy", "promotion")
    peers = {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
        for rule in policy.inputs["spec"]["egress"]
        for peer in rule["to"]
        if "app.kubernetes.io/name" in peer.get("podSelector", {}).get("matchLabels", {})
    }
    assert peers == {"mlflow", "s3", "vault"}
    assert policy.inputs["spec"]["ingress"] == []


def test_it_waits_for_mlflow_and_the_right_to_sign(graph: Graph) -> None:
    dependencies = {urn.rpartition("::")[2] for urn in graph.one("Promotion").depends_on}
    assert {"mlflow-server", "signer-access-role"} <= dependencies


def test_in_aws_it_needs_the_trainer_s_image_and_has_the_signer_s_role(module_surroundings: None) -> None:
    trainer = "333333333333.dkr.ecr.us-west-2.amazonaws.com/aegis-prod/trainer@sha256:" + "3" * 64
    prod = ROOT / "stacks" / "Pulumi.prod.yaml"
    images = json.loads(stack_config(prod)["aegis:images"])
    graph = run_program(
        stack_config(prod, {**SETTINGS, "aegis:images": {**images, "trainer": trainer}, "aegis:vault": VAULT}),
        stack="prod",
    )
    container = signer_of(graph)
    assert (container["image"], judge_of(graph)["image"]) == (trainer, trainer)
    require_powerless(graph)
    template = graph.one("CronJob", "promotion").inputs["spec"]["jobTemplate"]["spec"]["template"]
    assert template["metadata"]["annotations"] == {"eks.amazonaws.com/skip-containers": "judge"}
    assert contracts.AWS_TOKEN_FOLDER in mounts_of(container)
    assert {"AWS_ROLE_ARN", "VAULT_CACERT"} <= {each["name"] for each in container["env"]}
    assert "promotion-vault-authorities" in [each.name for each in graph.of_kind("ConfigMap")]
    assert breaches(of_graph(graph), {}) == []
