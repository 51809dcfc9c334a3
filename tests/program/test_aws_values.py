"""AWS's own API models allow every value that an environment sends."""

from typing import Any

import pytest

from local.plugins.aws.catalogue import KINDS
from tests.program.conftest import stack_graph
from tests.support.aws_model import Recorder, breaches
from tests.support.engine import ROOT, Graph, run_program, stack_config

STACKS = ("ci", "dev", "staging", "prod")
# Values that no stack file has, at the limits of the settings.
EDGES: dict[str, Any] = {
    "aegis:artifactStore": {"kind": "s3", "replicaRegion": "us-east-2", "coldAfterDays": 30, "backupLockDays": 1},
    "aegis:backup": {"retentionDays": 3650},
    "aegis:database": {
        "kind": "rds",
        "instanceClass": "db.r7g.16xlarge",
        "storage": "500Gi",
        "maxStorage": "16Ti",
        "multiAz": False,
        "backupDays": 35,
        "logDays": 3653,
        "applyImmediately": False,
    },
}


def calls(graph: Graph) -> Recorder:
    """Record the API calls that create the AWS resources of a graph."""
    recorder = Recorder()
    for each in graph.custom():
        if each.type.startswith("aws:"):
            kind = KINDS[each.type]
            inputs = kind.fields.complete(_integers(each.inputs))
            if kind.named and not inputs.get(kind.named):
                inputs[kind.named] = kind.generate_name(each.name, bytes(32))
            kind.create(recorder, inputs)  # type: ignore[arg-type] - a recorder is enough here
            kind.settle(recorder, "identity", inputs)  # type: ignore[arg-type]
    return recorder


def _integers(tree: Any) -> Any:
    """Turn whole floats back into integers, as the engine passes on all numbers as floats."""
    if isinstance(tree, dict):
        return {key: _integers(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_integers(each) for each in tree]
    return int(tree) if isinstance(tree, float) and tree.is_integer() else tree


@pytest.mark.parametrize("name", STACKS)
def test_an_environment_sends_only_what_aws_allows(name: str) -> None:
    recorder = calls(stack_graph(ROOT / "stacks" / f"Pulumi.{name}.yaml"))
    assert "rds CreateDBInstance" in recorder.operations
    assert recorder.breaches == []


def test_aws_allows_the_limits_of_the_settings(module_surroundings: None) -> None:
    graph = run_program(stack_config(ROOT / "stacks" / "Pulumi.prod.yaml", EDGES), stack="prod")
    assert calls(graph).breaches == []


def test_aws_allows_what_a_monitored_environment_adds(module_surroundings: None) -> None:
    monitored = {"aegis:monitoring": {"kind": "operator", "prometheusNamespace": "monitoring"}}
    recorder = calls(run_program(stack_config(ROOT / "stacks" / "Pulumi.prod.yaml", monitored), stack="prod"))
    assert {"cloudwatch PutMetricAlarm", "sns CreateTopic"} <= set(recorder.operations)
    assert recorder.breaches == []


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("s3", "PutBucketVersioning", {"Bucket": "b", "VersioningConfiguration": {"Status": "On"}}),
        ("kms", "EnableKeyRotation", {"KeyId": "k", "RotationPeriodInDays": 30}),
        ("logs", "CreateLogGroup", {"logGroupName": "a group"}),
        ("iam", "CreateRole", {"RoleName": "r" * 65, "AssumeRolePolicyDocument": "{}"}),
        ("rds", "CreateDBInstance", {"DBInstanceIdentifier": "d"}),
    ],
)
def test_what_aws_refuses_is_found(service: str, operation: str, arguments: dict[str, Any]) -> None:
    assert breaches(service, operation, arguments)
