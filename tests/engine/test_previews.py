"""Previews of the AWS stacks work without an account or a cluster, and don't change the stack files."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from local import paths

# The resources in an empty account by package, without components and providers.
RESOURCES = {
    "dev": {"aws": 74, "kubernetes": 58, "random": 3, "vault": 6},
    "staging": {"aws": 74, "kubernetes": 61, "random": 3, "vault": 6},
    "prod": {"aws": 114, "kubernetes": 61, "random": 3, "vault": 6},
}


@pytest.mark.parametrize("stack", list(RESOURCES))
def test_a_preview_of_an_aws_stack_creates_everything_in_an_empty_account(stack: str) -> None:
    file = paths.REPOSITORY / "stacks" / f"Pulumi.{stack}.yaml"
    before = file.read_text()
    # The last option makes the engine fail if there are changes.
    command = [sys.executable, "-m", "local.preview", "--stack", stack, "--json", "--expect-no-changes"]
    result = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False, timeout=300)
    steps = json.loads(result.stdout)["steps"]
    types = [step["urn"].split("::")[2].rpartition("$")[2] for step in steps]
    counts = Counter(each.partition(":")[0] for each in types)
    assert {package: counts[package] for package in RESOURCES[stack]} == RESOURCES[stack]
    assert {step["op"] for step in steps} == {"create"}
    assert result.returncode != 0
    assert file.read_text() == before
