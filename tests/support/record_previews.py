"""Recording of the real engine's output for the tests of the review: `python -m tests.support.record_previews`.

Run it again for each new version of the engine. Each recording has both of the engine's formats: `NAME.json` is the
document of `pulumi preview --json`, `NAME.ndjson` the events of PULUMI_ENABLE_STREAMING_JSON_PREVIEW. The names of this
machine's folders and the engine's debug messages are removed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import paths
from tests.engine.stack import Stack
from tests.support import stand_in_plugin

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = ROOT / "tests" / "unit" / "review" / "recordings"
FORMS = {"json": {}, "ndjson": {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}}
# Fields that depend on the machine and the time. The review doesn't read them.
LEFT_OUT = {"sourcePosition", "stackTrace", "propertyDependencies", "created", "modified", "duration", "timestamp"}
PROGRAM = """
import os

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
import pulumi_random as random
from pulumi import ResourceOptions

changes = os.environ.get("CHANGES", "").split()
cloud = aws.Provider("aws", region="eu-west-1", skip_credentials_validation=True)
cluster = kubernetes.Provider("kubernetes", kubeconfig="{}")
on_aws, in_cluster = ResourceOptions(provider=cloud), ResourceOptions(provider=cluster)

if "program-fails" in changes:
    raise ValueError("database.instanceClass: got db.t9.huge")

password = random.RandomPassword("admin", length=20)
database = aws.rds.Instance(
    "database",
    identifier="aegis-prod-2" if "database" in changes else "aegis-prod",
    engine="postgres",
    instance_class="db.t4g.large" if "class" in changes else "db.t4g.medium",
    password=pulumi.Output.secret("hunter3" if "password" in changes else "hunter2"),
    opts=ResourceOptions(provider=cloud, protect="protected" in changes),
)
aws.ec2.SecurityGroup("clients", description=database.arn, opts=on_aws)
if "bucket" not in changes:
    aws.s3.Bucket(
        "artifacts",
        bucket="aegis-prod-artifacts",
        tags={"Owner": "ml"},
        opts=ResourceOptions(provider=cloud, protect="protected" in changes),
    )
namespace = kubernetes.core.v1.Namespace("mlflow", metadata={"name": "mlflow"}, opts=in_cluster)
kubernetes.core.v1.Secret(
    "login",
    metadata={"name": "login", "namespace": "mlflow"},
    string_data={"password": pulumi.Output.secret("hunter3" if "password" in changes else "hunter2")},
    opts=in_cluster,
)
kubernetes.core.v1.ConfigMap(
    "settings",
    metadata={"name": "settings", "labels": {"app.kubernetes.io/version": "2" if "class" in changes else "1"}},
    data={"script": "line | one\\n`line` two" if "class" in changes else "line one"},
    opts=in_cluster,
)
pulumi.export("password", password.result)
"""
POLICY = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy


def protected(args, report_violation):
    if args.resource_type == "aws:rds/instance:Instance":
        report_violation("The database of an environment must be protected.")


def owned(args, report_violation):
    if args.resource_type == "aws:ec2/securityGroup:SecurityGroup":
        report_violation("A security group should say who owns it.")


PolicyPack(
    "aegis",
    policies=[
        ResourceValidationPolicy("protected-database", "Databases stay.", protected, EnforcementLevel.MANDATORY),
        ResourceValidationPolicy("owned-group", "Groups are owned.", owned, EnforcementLevel.ADVISORY),
    ],
)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """The content of a recording: the changes for the program to make, to a stack that is protected or not."""

    changes: str = ""
    protected: bool = False
    command: tuple[str, ...] = ("preview",)
    environment: dict[str, str] = field(default_factory=dict)


DRIFTED = {"database": {"instanceClass": "db.r6g.large"}, "artifacts": None}
REFRESH = ("refresh", "--preview-only", "--expect-no-changes")
FIRST = {"first": Scenario()}
SCENARIOS = {
    "no-changes": Scenario(),
    "updates": Scenario(changes="class password"),
    "replaces-database": Scenario(changes="database class"),
    "deletes-bucket": Scenario(changes="bucket"),
    "program-fails": Scenario(changes="program-fails"),
    "violates-policy": Scenario(changes="class", command=("preview", "--policy-pack", "policy")),
    "no-drift": Scenario(command=REFRESH),
    "drift": Scenario(command=REFRESH, environment={stand_in_plugin.DRIFT: json.dumps(DRIFTED)}),
    "replaces-protected": Scenario(changes="database protected", protected=True),
    "deletes-protected": Scenario(changes="bucket protected", protected=True),
}


def main() -> None:
    """Record every scenario."""
    pulumi = shutil.which("pulumi", path=f"{paths.bin_dir()}:{os.environ['PATH']}")
    if pulumi is None:
        sys.exit("pulumi isn't on PATH: build it with python -m local.toolchain pulumi")
    with tempfile.TemporaryDirectory() as temporary:
        _install_stand_ins(Path(temporary) / "plugins")
        stack = Stack(folder=Path(temporary) / "project", pulumi=Path(pulumi))
        (stack.folder / "Pulumi.yaml").write_text("name: aegis\nruntime: python\n")
        stack.run("stack", "init", "prod")
        stack.program(PROGRAM)
        _write_policy(stack.folder / "policy")
        _record(stack, FIRST)
        stack.up()
        _record(stack, {name: each for name, each in SCENARIOS.items() if not each.protected})
        os.environ["CHANGES"] = "protected"
        stack.up()
        _record(stack, {name: each for name, each in SCENARIOS.items() if each.protected})


def _install_stand_ins(folder: Path) -> None:
    """Put the stand-ins at the front of PATH, where the engine looks first."""
    folder.mkdir()
    for name in stand_in_plugin.VERSIONS:
        script = folder / f"pulumi-resource-{name}"
        module = stand_in_plugin.__name__
        script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m {module} {name} "$@"\n')
        script.chmod(0o755)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


def _write_policy(folder: Path) -> None:
    folder.mkdir()
    (folder / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (folder / "__main__.py").write_text(POLICY)


def _record(stack: Stack, scenarios: dict[str, Scenario]) -> None:
    for name, scenario in scenarios.items():
        for form, switch in FORMS.items():
            process = subprocess.run(
                [stack.pulumi, *scenario.command, "--json", "--non-interactive"],
                cwd=stack.folder,
                env=stack._environment() | scenario.environment | switch | {"CHANGES": scenario.changes},
                capture_output=True,
                text=True,
                check=False,
            )
            (RECORDINGS / f"{name}.{form}").write_text(_cleaned(process.stdout, stack.folder))
            print(f"{name}.{form}: pulumi exited with {process.returncode} {process.stderr.strip()}")


def _cleaned(text: str, folder: Path) -> str:
    text = re.sub(rf"{folder}|{ROOT}|{sys.prefix}|{sys.base_prefix}", "/project", text)
    if text.startswith("{\n"):
        document = json.loads(text, object_hook=_without_machine)
        document["diagnostics"] = [each for each in document.get("diagnostics", []) if _told(each)]
        return json.dumps(document, indent=1) + "\n"
    events = [json.loads(line, object_hook=_without_machine) for line in text.splitlines()]
    kept = [event for event in events if _told(event.get("diagnosticEvent", {}))]
    return "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in kept)


def _without_machine(value: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in value.items() if key not in LEFT_OUT}


def _told(diagnostic: dict[str, Any]) -> bool:
    return diagnostic.get("severity") != "debug" and "pulumi-resource-" not in diagnostic.get("message", "")


if __name__ == "__main__":
    main()
