"""Limits on the workflows: they run only this project's commands, with pinned actions and the fewest rights."""

import ast
import importlib.metadata
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from review.__main__ import parser
from workloads.training import args as training_args

ROOT = Path(__file__).resolve().parents[3]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))
ENGINE = GITHUB / "actions" / "engine"
REVIEW = "python -m review "
# The commands of ci.yml, which prepares a bare Debian and runs the README's test command, and of train.yml.
CI_COMMANDS = {
    "apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates git make",
    ".ci/run",
    ".ci/train",
}
TRAIN = ROOT / ".ci" / "train"
each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
each_file = pytest.mark.parametrize("file", [*WORKFLOWS, *ACTIONS], ids=lambda file: f"{file.parent.name}-{file.stem}")


def parsed(file: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    return {"on" if key is True else key: value for key, value in yaml.safe_load(file.read_text()).items()}


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    return parsed(file)["jobs"]


def steps(file: Path) -> Iterator[dict[str, Any]]:
    """Yield each step, and each job, which may call another workflow."""
    content = parsed(file)
    yield from content.get("runs", {}).get("steps", [])
    for job in content.get("jobs", {}).values():
        yield job
        yield from job.get("steps", [])


def stacks(job: dict[str, Any]) -> list[str]:
    """Return the stacks of a job."""
    called = [job["with"]["stack"]] if "stack" in job.get("with", {}) else []
    return job.get("strategy", {}).get("matrix", {}).get("stack", called)


@each_file
def test_every_action_is_pinned_by_commit_with_its_version(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if "uses:" in line]
    for line in lines:
        outside = r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
        assert re.fullmatch(rf"\s*(- )?uses: (\./\S+|{outside})", line), line


@each_file
def test_the_repositorys_files_that_a_workflow_uses_exist(file: Path) -> None:
    own = [step["uses"] for step in steps(file) if step.get("uses", "").startswith("./")]
    for path in own:
        assert (ROOT / path).is_file() or (ROOT / path / "action.yml").is_file(), path


def test_all_workflows_use_the_same_commit_of_an_action() -> None:
    pins: dict[str, set[str]] = {}
    for file in [*WORKFLOWS, *ACTIONS]:
        for step in steps(file):
            name, _, commit = step.get("uses", "").partition("@")
            pins.setdefault(name, set()).add(commit)
    assert [name for name, commits in pins.items() if len(commits) > 1] == []


@each_workflow
def test_a_workflow_has_no_rights_until_a_job_asks_for_them(file: Path) -> None:
    assert parsed(file)["permissions"] == {}


@each_workflow
def test_only_the_job_that_comments_may_write(file: Path) -> None:
    for job in jobs(file).values():
        rights = {right: value for right, value in job.get("permissions", {}).items() if value == "write"}
        posts = any(step.get("run", "").startswith(f"{REVIEW}post ") for step in job.get("steps", []))
        # `id-token` identifies the workflow to AWS and Vault. It changes nothing on GitHub.
        assert rights.keys() - {"id-token"} == ({"pull-requests"} if posts else set())


@each_workflow
def test_an_identity_is_bound_to_a_github_environment(file: Path) -> None:
    for job in jobs(file).values():
        if job.get("permissions", {}).get("id-token") == "write" and "uses" not in job:
            assert job.get("environment")


@each_workflow
def test_the_code_of_a_fork_never_runs_with_rights(file: Path) -> None:
    triggers = parsed(file)["on"]
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers)


@each_workflow
def test_every_job_has_a_time_limit(file: Path) -> None:
    for name, job in jobs(file).items():
        assert "uses" in job or 0 < job["timeout-minutes"] <= 120, name


@each_workflow
def test_workflows_run_only_the_commands_of_the_project(file: Path) -> None:
    for job in jobs(file).values():
        for step in job.get("steps", []):
            command = step.get("run")
            assert command is None or command in CI_COMMANDS or command.startswith(REVIEW), command


@each_workflow
def test_the_commands_accept_the_arguments_of_the_workflows(file: Path) -> None:
    for job in jobs(file).values():
        commands = [step["run"] for step in job.get("steps", []) if step.get("run", "").startswith(REVIEW)]
        for command in commands:
            for stack in stacks(job) or ["prod"]:
                parser().parse_args(shlex.split(command.removeprefix(REVIEW).replace("$STACK", stack)))


@each_file
def test_no_command_contains_an_expression(file: Path) -> None:
    """An expression in a script runs as part of it, and its value is visible to every process."""
    for step in steps(file):
        assert "${{" not in step.get("run", "")


@each_file
def test_no_workflow_holds_a_secret(file: Path) -> None:
    assert "secrets." not in file.read_text()


@each_workflow
def test_no_checkout_leaves_its_token_behind(file: Path) -> None:
    for step in steps(file):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_a_preview_runs_only_for_branches_of_this_repository() -> None:
    job = jobs(GITHUB / "workflows" / "preview.yml")["preview"]
    assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


def test_the_code_of_a_pull_request_has_its_own_environment_that_reviewers_can_guard() -> None:
    previewing = jobs(GITHUB / "workflows" / "preview.yml")["preview"]["environment"]
    assert previewing == "${{ matrix.stack }}-preview"
    others = [job["environment"] for file in WORKFLOWS for job in jobs(file).values() if "environment" in job]
    assert others.count(previewing) == 1


def test_every_job_with_an_identity_names_its_environment() -> None:
    for file in WORKFLOWS:
        for job in jobs(file).values():
            if job.get("permissions", {}).get("id-token") and "steps" in job:
                assert "environment" in job


def test_merged_code_judges_the_preview() -> None:
    job = jobs(GITHUB / "workflows" / "preview.yml")["comment"]
    assert job["steps"][0]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"


def test_no_file_of_a_pull_requests_code_replaces_the_code_that_judges_it() -> None:
    job = jobs(GITHUB / "workflows" / "preview.yml")["comment"]
    [download] = [step for step in job["steps"] if step.get("uses", "").startswith("actions/download-artifact@")]
    folder = download["with"]["path"]
    assert not (ROOT / folder).exists()
    assert job["steps"][-1]["run"].startswith(f"{REVIEW}post {folder}/")


def test_a_training_keeps_the_folder_that_it_tracks_to() -> None:
    *_, training, keeping = jobs(GITHUB / "workflows" / "train.yml")["train"]["steps"]
    assert training["run"] == ".ci/train"
    assert keeping["uses"].startswith("actions/upload-artifact@")
    assert f'export MLFLOW_TRACKING_URI="file://$PWD/{keeping["with"]["path"]}"\n' in TRAIN.read_text()


def test_a_training_starts_for_every_file_that_it_runs() -> None:
    triggers = parsed(GITHUB / "workflows" / "train.yml")["on"]
    assert triggers["pull_request"]["paths"] == triggers["push"]["paths"]
    for pattern in triggers["push"]["paths"]:
        assert list(ROOT.glob(pattern)), pattern


def test_the_commands_of_a_training_accept_their_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:./mlruns")
    [training] = re.findall(r"-m workloads\.training\.train_deepspeed (.*)", TRAIN.read_text())
    args = training_args.parse(shlex.split(training.replace("$lr", "0.01")))
    [selection] = re.findall(r"-m workloads\.registry\.select_best_run (.*)\)", TRAIN.read_text())
    assert ["--experiment-name", args.experiment_name] == shlex.split(selection)[:2]


def test_a_script_of_a_workflow_is_executable() -> None:
    for command in CI_COMMANDS:
        assert not command.startswith(".ci/") or os.access(ROOT / command, os.X_OK), command


def test_environments_are_updated_one_after_another() -> None:
    deploy = jobs(GITHUB / "workflows" / "deploy.yml")
    assert [stacks(job) for job in deploy.values()] == [["dev"], ["staging"], ["prod"]]
    assert [job.get("needs") for job in deploy.values()] == [None, "dev", "staging"]


@pytest.mark.parametrize("name", ["preview", "drift"])
def test_every_environment_is_previewed_and_checked_for_drift(name: str) -> None:
    for job in jobs(GITHUB / "workflows" / f"{name}.yml").values():
        assert stacks(job) == ["dev", "staging", "prod"]


def test_the_workflows_run_the_engine_of_the_sdks_version() -> None:
    [version] = re.findall(r"^pulumi==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    [engine] = [step for step in steps(ENGINE / "action.yml") if step.get("uses", "").startswith("pulumi/actions@")]
    assert engine["with"]["pulumi-version"] == version


def test_the_workflows_install_every_package_that_the_program_imports() -> None:
    lines = (ENGINE / "requirements.txt").read_text().splitlines()
    installed = {line for line in lines if not line.startswith(("#", "-c"))}
    distributions = importlib.metadata.packages_distributions()
    own = {"infra", "policy", "review", "contracts", "engine_events", "secret_forms"}
    outside = set().union(*map(imported, (ROOT / "infra", ROOT / "policy", ROOT / "review")))
    outside -= sys.stdlib_module_names | own
    missing = {name for name in outside if not {each.replace("_", "-") for each in distributions[name]} & installed}
    assert missing == set()


def imported(folder: Path) -> set[str]:
    """Return the top-level packages that the modules of a folder import."""
    found: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found
