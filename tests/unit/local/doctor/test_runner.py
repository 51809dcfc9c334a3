"""Checks run at the same time and for a limited time, and what they find decides about the exit code."""

import json
import threading
from pathlib import Path

import pytest

from contracts import Exit
from local.doctor import __main__ as command
from local.doctor import platform, report, runner
from local.doctor.once import Once
from local.doctor.runner import Check
from local.doctor.site import Site
from local.doctor.verdict import NoAnswerError, ProblemError, Result, Severity, State
from local.errors import LocalError
from tests.support.fake_site import FakeSite


def ok(_: Site) -> str:
    return "fine"


def warned(_: Site) -> str:
    raise ProblemError("it is slow", evidence="9 s", remedy="wait", severity=Severity.WARNING)


def failed(_: Site) -> str:
    raise ProblemError("it is down", evidence="refused", remedy="start it")


def unanswered(_: Site) -> str:
    raise NoAnswerError("no kubectl")


def crashed(_: Site) -> str:
    raise KeyError("spec")


def results(*checks: Check, seconds: float = 30) -> list[Result]:
    return list(runner.run(checks, FakeSite(), seconds=seconds))


def test_the_results_have_the_order_of_the_checks() -> None:
    first_may_end = threading.Event()

    def waits(_: Site) -> str:
        first_may_end.wait(10)
        return "fine"

    def lets_go(_: Site) -> str:
        first_may_end.set()
        return "fine"

    assert [result.check for result in results(Check("a", waits), Check("b", lets_go))] == ["a", "b"]


def test_a_check_that_hangs_is_unknown_and_the_others_go_on() -> None:
    never = threading.Event()
    hung, other = results(Check("hangs", lambda _: str(never.wait(20))), Check("other", ok), seconds=0.2)
    assert (hung.state, hung.detail) == (State.UNKNOWN, "no answer within 0.2 s")
    assert other.state is State.OK


def test_a_check_that_crashes_is_unknown_with_the_reason() -> None:
    (result,) = results(Check("crashes", crashed))
    assert (result.state, result.detail) == (State.UNKNOWN, "unexpected KeyError: 'spec'")


@pytest.mark.parametrize(
    ("looks", "code"),
    [
        ((ok,), Exit.OK),
        ((ok, warned), Exit.DEGRADED),
        ((ok, unanswered), Exit.DEGRADED),
        ((warned, failed, unanswered), Exit.UNEXPECTED),
    ],
)
def test_the_worst_severity_decides_about_the_exit_code(looks: tuple, code: Exit) -> None:
    assert report.exit_code(results(*(Check(look.__name__, look) for look in looks))) is code


def test_a_value_that_several_checks_need_is_made_once() -> None:
    once, made = Once(), []

    def make() -> int:
        made.append(1)
        return len(made)

    threads = [threading.Thread(target=lambda: once.get("key", make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_a_failure_is_kept_as_well() -> None:
    once, tried = Once(), []

    def fail() -> None:
        tried.append(1)
        raise NoAnswerError("no kubectl")

    for _ in range(2):
        with pytest.raises(NoAnswerError):
            once.get("key", fail)
    assert tried == [1]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> FakeSite:
    fake = FakeSite()
    monkeypatch.setattr(platform, "of", lambda _: fake)
    return fake


def test_a_sound_installation_exits_with_0(site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == Exit.OK
    assert capsys.readouterr().out.splitlines()[-1] == f"{len(command.CHECKS)} ok"


def test_a_problem_is_printed_with_its_evidence_and_its_remedy(
    site: FakeSite, capsys: pytest.CaptureFixture[str]
) -> None:
    site.scripts["database"]["connections"] = 159
    assert command.main(["--only", "connections"]) == Exit.UNEXPECTED
    problem, remedy, summary = capsys.readouterr().out.splitlines()
    assert problem == "ERROR    connections  the database's connections are nearly used up (159 of 160 are open)"
    assert "pg_stat_activity" in remedy
    assert summary == "1 error"


def test_what_could_not_be_checked_is_listed_by_its_reason(site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    del site.api["/api/v1/nodes"]
    assert command.main(["--only", "nodes", "--only", "node pressure"]) == Exit.DEGRADED
    assert capsys.readouterr().out.splitlines() == [
        "UNKNOWN  nodes, node pressure  were not checked: nothing answers /api/v1/nodes",
        "2 unknown",
    ]


def test_the_json_has_every_field_of_a_problem(site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    site.scripts["database"]["connections"] = 159
    command.main(["--only", "connections", "--only", "schema", "--json"])
    printed = json.loads(capsys.readouterr().out)
    schema, connections = printed["checks"]
    assert not printed["ok"]
    assert (schema["ok"], schema["severity"]) == (True, None)
    assert connections.pop("remedy").startswith("find who opened them")
    assert connections == {
        "check": "connections",
        "state": "error",
        "severity": "error",
        "ok": False,
        "detail": "the database's connections are nearly used up",
        "evidence": "159 of 160 are open",
    }


def test_a_stack_in_aws_needs_the_context_of_its_cluster() -> None:
    with pytest.raises(LocalError, match="prod runs in AWS: set AEGIS_CONTEXT"):
        platform.of("prod")


def test_a_cluster_that_is_not_up_is_an_error_and_never_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    assert command.main(["--only", "processes", "--only", "pods", "--json"]) == Exit.UNEXPECTED
    assert [each["state"] for each in json.loads(capsys.readouterr().out)["checks"]] == ["error", "unknown"]
