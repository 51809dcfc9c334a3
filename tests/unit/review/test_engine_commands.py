"""The commands that run the engine: the arguments they give it, and their use of its output."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from review import commands
from review.exits import Exit
from tests.support.fake_github import FakeGitHub
from tests.unit.review.conftest import RECORDINGS, Review

ROOT = Path(__file__).resolve().parents[3]
Engine = Callable[..., None]


@pytest.fixture
def asked(tmp_path: Path) -> Callable[[], list[list[str]]]:
    """Return the arguments of each run of the engine."""
    log = tmp_path / "asked"
    return lambda: [line.split() for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Put an engine on PATH that writes a recording and exits with `code`, and `up` with `up_code`."""

    def become(recording: str, code: int = 0, *, error: str = "", up_code: int = 0) -> None:
        (tmp_path / "bin").mkdir()
        script = tmp_path / "bin" / "pulumi"
        script.write_text(
            f"""#!/bin/sh
echo "$@" >> {tmp_path}/asked
[ "$1" = up ] && exit {up_code}
[ "$PULUMI_ENABLE_STREAMING_JSON_PREVIEW" = true ] || exit 99
cat {RECORDINGS / recording}
echo "{error}" >&2
exit {code}
"""
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    return become


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with one stack."""
    folder = tmp_path / "project"
    (folder / "stacks").mkdir(parents=True)
    (folder / "stacks" / "Pulumi.prod.yaml").touch()
    monkeypatch.setattr(commands, "PROJECT", folder)
    return folder


def test_a_preview_is_recorded_completely_and_with_the_policies(
    review: Review, engine: Engine, asked: Callable[[], list[list[str]]], project: Path, tmp_path: Path
) -> None:
    engine("updates.ndjson")
    result = review("preview", "--stack", "prod", "--out", tmp_path / "preview.json")
    assert result.code is Exit.OK
    assert (tmp_path / "preview.json").read_bytes() == (RECORDINGS / "updates.ndjson").read_bytes()
    [arguments] = asked()
    assert arguments[:3] == ["preview", "--stack", "prod"]
    assert arguments[arguments.index("--policy-pack") + 1] == str(project / "policy")
    assert "--policy-pack-config" not in arguments
    assert "--json" in arguments
    assert "--show-secrets" not in arguments


def test_the_policies_get_the_configuration_of_the_stack(
    review: Review, engine: Engine, asked: Callable[[], list[list[str]]], project: Path, tmp_path: Path
) -> None:
    engine("updates.ndjson")
    (project / "stacks" / "policy.prod.json").write_text("{}")
    review("preview", "--stack", "prod", "--out", tmp_path / "preview.json")
    [arguments] = asked()
    config = arguments[arguments.index("--policy-pack-config") + 1]
    assert config == str(project / "stacks" / "policy.prod.json")


def test_a_preview_that_loses_data_is_recorded_for_the_next_command_to_judge(
    review: Review, engine: Engine, project: Path, tmp_path: Path
) -> None:
    engine("replaces-database.ndjson")
    result = review("preview", "--stack", "prod", "--out", tmp_path / "preview.json")
    assert result.code is Exit.OK
    assert "Replaces the database: aegis-prod" in result.out


def test_a_failed_preview_is_recorded(review: Review, engine: Engine, project: Path, tmp_path: Path) -> None:
    engine("program-fails.ndjson", 1)
    assert review("preview", "--stack", "prod", "--out", tmp_path / "preview.json").code is Exit.FAILED
    assert review("comment", tmp_path / "preview.json").code is Exit.FAILED


def test_an_error_before_the_preview_begins_is_recorded(
    review: Review, engine: Engine, project: Path, tmp_path: Path
) -> None:
    engine("/dev/null", 255, error="error: no credentials for the backend")
    assert review("preview", "--stack", "prod", "--out", tmp_path / "preview.json").code is Exit.FAILED
    result = review("comment", tmp_path / "preview.json", "--stack", "prod")
    assert result.code is Exit.FAILED
    assert "no credentials for the backend" in result.out


def test_an_engine_that_fails_after_a_good_preview_fails_the_check(
    review: Review, engine: Engine, project: Path, tmp_path: Path
) -> None:
    engine("updates.ndjson", 1, error="error: the policy pack ended early")
    assert review("preview", "--stack", "prod", "--out", tmp_path / "preview.json").code is Exit.FAILED
    assert "the policy pack ended early" in review("comment", tmp_path / "preview.json").out


def test_a_missing_engine_is_reported(
    review: Review, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = review("preview", "--stack", "prod", "--out", tmp_path / "preview.json")
    assert result.code is Exit.USAGE
    assert "no `pulumi` on PATH" in result.err


def test_a_recording_that_cannot_be_written_is_named(
    review: Review, engine: Engine, project: Path, tmp_path: Path
) -> None:
    engine("updates.ndjson")
    result = review("preview", "--stack", "prod", "--out", tmp_path / "absent" / "preview.json")
    assert result.code is Exit.USAGE
    assert "absent/preview.json can't be written" in result.err


def test_a_deployment_updates_if_its_preview_allows_it(
    review: Review, engine: Engine, asked: Callable[[], list[list[str]]], project: Path
) -> None:
    engine("updates.ndjson")
    result = review("deploy", "--stack", "prod")
    assert result.code is Exit.OK
    assert [arguments[0] for arguments in asked()] == ["preview", "up"]
    assert "--policy-pack" in asked()[1]


def test_a_deployment_follows_the_plan_of_its_preview_and_deletes_the_plan(
    review: Review, engine: Engine, asked: Callable[[], list[list[str]]], project: Path
) -> None:
    engine("updates.ndjson")
    review("deploy", "--stack", "prod")
    previewed, updated = asked()
    plan = previewed[previewed.index("--save-plan") + 1]
    assert updated[updated.index("--plan") + 1] == plan
    assert "--show-secrets" not in previewed
    assert not Path(plan).exists()


@pytest.mark.parametrize(
    ("recording", "code"),
    [
        ("replaces-database.ndjson", Exit.DATA_LOSS),
        ("violates-policy.ndjson", Exit.FAILED),
        ("program-fails.ndjson", Exit.FAILED),
    ],
)
def test_a_deployment_updates_nothing_if_its_preview_forbids_it(
    review: Review,
    engine: Engine,
    asked: Callable[[], list[list[str]]],
    project: Path,
    recording: str,
    code: Exit,
) -> None:
    engine(recording)
    result = review("deploy", "--stack", "prod")
    assert result.code is code
    assert [arguments[0] for arguments in asked()] == ["preview"]


@pytest.mark.parametrize(("labels", "code"), [(["allow-data-loss"], Exit.OK), (["fix"], Exit.DATA_LOSS)])
def test_a_deployment_reads_the_labels_of_the_merged_pull_request(
    review: Review,
    engine: Engine,
    project: Path,
    github: FakeGitHub,
    monkeypatch: pytest.MonkeyPatch,
    labels: list[str],
    code: Exit,
) -> None:
    engine("replaces-database.ndjson")
    monkeypatch.setenv("GITHUB_SHA", "c0ffee")
    github.merged["c0ffee"] = labels
    assert review("deploy", "--stack", "prod").code is code


def test_a_failed_update_fails_the_deployment(review: Review, engine: Engine, project: Path) -> None:
    engine("updates.ndjson", up_code=1)
    result = review("deploy", "--stack", "prod")
    assert result.code is Exit.FAILED
    assert "the update of the stack prod failed" in result.err


def test_drift_has_an_exit_code_of_its_own_and_a_report(
    review: Review, engine: Engine, asked: Callable[[], list[list[str]]], project: Path
) -> None:
    engine("drift.ndjson", 7, error="error: no changes were expected")
    result = review("drift", "--stack", "prod")
    assert result.code is Exit.DRIFT
    assert result.first_line == "**Drifted resources: 2 (stack prod)**"
    assert "| **gone** | **`artifacts`** |" in result.out
    assert "| changed | `database` |" in result.out
    assert "`instanceClass`: `db.t4g.medium` → `db.r6g.large`" in result.out
    [arguments] = asked()
    assert arguments[0] == "refresh"
    assert {"--preview-only", "--expect-no-changes", "--json"} <= set(arguments)


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_an_environment_that_matches_its_stack_has_no_drift(review: Review, form: str) -> None:
    result = review("drift", "--stack", "prod", "--recording", f"no-drift.{form}")
    assert result.code is Exit.OK
    assert result.first_line == "**No drift (stack prod)**"


def test_drift_can_be_printed_as_json(review: Review) -> None:
    result = review("drift", "--stack", "prod", "--recording", "drift.json", "--json")
    [bucket, database] = sorted(json.loads(result.out)["drifted"], key=lambda each: each["urn"], reverse=True)
    assert bucket["urn"].endswith("Bucket::artifacts")
    assert database["properties"] == ["instanceClass"]


def test_an_environment_that_cannot_be_read_fails_instead_of_drifting(
    review: Review, engine: Engine, project: Path
) -> None:
    engine("program-fails.ndjson", 1)
    result = review("drift", "--stack", "prod")
    assert result.code is Exit.FAILED
    assert result.first_line == "**The environment could not be read (stack prod)**"


def test_the_commands_need_only_the_standard_library() -> None:
    code = "import sys, review.__main__; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    argv = [sys.executable, "-S", "-c", code]
    loaded = set(subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
    assert loaded - set(sys.stdlib_module_names) - {"__main__", "_virtualenv"} == {
        "engine_events",
        "review",
        "secret_forms",
    }


def test_the_help_does_not_run_the_program() -> None:
    argv = [sys.executable, "-S", "-m", "review", "--help"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    for command in ("preview", "comment", "post", "deploy", "drift", "exit codes:"):
        assert command in done.stdout
