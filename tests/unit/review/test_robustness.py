"""Every command ends with a documented exit code and a message for any input, and shows no secret."""

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from review import __main__ as command_line
from review import commands, github
from review.exits import Exit
from tests.support.fake_github import FakeGitHub, fake_github
from tests.unit.review.conftest import RECORDINGS, Review

TOKEN = "ghs_" + "hunter2" * 3
SECRETS = ("hunter2", TOKEN)
MANY = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
EVENT = {"pull_request": {"number": 7, "head": {"sha": "c0ffee"}, "labels": []}}
NAMES = sorted(file.name for file in RECORDINGS.iterdir())


def documents(name: str) -> list[Any]:
    """Return the JSON values of a recording."""
    text = (RECORDINGS / name).read_text()
    return [json.loads(text)] if name.endswith(".json") else [json.loads(line) for line in text.splitlines() if line]


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*above, key)
        if isinstance(each, dict | list):
            yield from places(each, (*above, key))


ALL_PLACES = {name: list(places(documents(name))) for name in NAMES}


def damaged(name: str, where: tuple[Any, ...], by: Any) -> str:
    values: Any = documents(name)
    *above, last = where
    inner = values
    for key in above:
        inner = inner[key]
    if by is ...:
        del inner[last]
    else:
        inner[last] = by
    return "\n".join(map(json.dumps, values))


def check(review: Review, *argv: str | Path) -> None:
    """Run a command and check that it ends as documented. The fixture refuses an undocumented exit code."""
    result = review(*argv)
    assert result.code is not Exit.UNEXPECTED
    assert "Traceback" not in result.err
    assert result.code in (Exit.OK, Exit.FAILED, Exit.DATA_LOSS, Exit.DRIFT) or result.err.strip()
    for secret in SECRETS:
        assert secret not in result.out + result.err


def parts(*allowed: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(allowed) | st.text(max_size=12), max_size=6)


@MANY
@given(argv=parts("preview", "comment", "post", "deploy", "drift", "--stack", "prod", "--json", "--out", "--help", "-"))
def test_any_arguments_end_as_documented(
    review: Review, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, argv: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.stdin", open(os.devnull, encoding="utf-8"))  # noqa: SIM115, PTH123
    check(review, *argv)


@MANY
@given(data=st.data())
@pytest.mark.parametrize(
    "command", ["comment --stack prod", "comment", "comment --json", "drift --stack prod --recording"]
)
def test_a_damaged_recording_ends_as_documented(
    review: Review, tmp_path: Path, data: st.DataObject, command: str
) -> None:
    name = data.draw(st.sampled_from(NAMES))
    where = data.draw(st.sampled_from(ALL_PLACES[name]))
    file = tmp_path / "damaged"
    file.write_text(damaged(name, where, data.draw(JSON | st.just(...))))
    check(review, *shlex.split(command), file)


@MANY
@given(data=st.data())
def test_a_recording_with_corrupt_text_ends_as_documented(review: Review, tmp_path: Path, data: st.DataObject) -> None:
    content = (RECORDINGS / data.draw(st.sampled_from(NAMES))).read_bytes()
    at = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(at, min(at + 40, len(content))))
    file = tmp_path / "torn"
    file.write_bytes(content[:at] + data.draw(st.binary(max_size=6)) + content[end:])
    check(review, "comment", file, "--stack", "prod")


def test_an_unpaired_surrogate_is_accepted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "half.ndjson"
    event = '{"sequence": 1, "diagnosticEvent": {"severity": "error", "message": "\\ud800"}}'
    file.write_text(event)
    assert command_line.main(["comment", str(file), "--stack", "prod"]) == Exit.FAILED


ENVIRONMENT = st.fixed_dictionaries(
    {},
    optional={
        "GITHUB_TOKEN": st.sampled_from([TOKEN, f"{TOKEN}\n", f"{TOKEN}\n{TOKEN}", f"{TOKEN}ü", f"{TOKEN} x", ""]),
        "GITHUB_REPOSITORY": st.sampled_from(["acme/aegis", "acme", "acme/aegis\n", "", "a b/c", "ü/ü", "../.."]),
        "GITHUB_API_URL": st.sampled_from(
            ["", "ftp://x", "x", "http://127.0.0.1:1", "http://[", "http://a b", "file:///"]
        ),
        "GITHUB_EVENT_PATH": st.sampled_from(["", "/", "/dev/null", "absent", "event.json"]),
        "GITHUB_STEP_SUMMARY": st.sampled_from(["", "/", "absent/summary", "/dev/full", "summary"]),
        "GITHUB_SHA": st.sampled_from(["", "c0ffee", "../x", "a b\n", "ü"]),
    },
)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github.time, "sleep", lambda _: None)


@MANY
@given(
    environment=ENVIRONMENT, event=JSON | st.just({"pull_request": {"number": 7, "head": {"sha": "c"}, "labels": []}})
)
@pytest.mark.parametrize("command", ["post", "comment"])
@pytest.mark.usefixtures("at_once")
def test_any_environment_ends_as_documented(
    review: Review,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: dict[str, str],
    event: Any,
    command: str,
) -> None:
    (tmp_path / "event.json").write_text(json.dumps(event))
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        for name, value in environment.items():
            patch.setenv(name, value)
        check(review, command, RECORDINGS / "updates.json", "--stack", "prod")


@pytest.fixture(scope="module")
def broken_github() -> Iterator[FakeGitHub]:
    with fake_github() as server:
        server.token = TOKEN
        yield server


@MANY
@given(answers=st.lists(JSON, min_size=1, max_size=4), status=st.sampled_from([200, 201, 403, 404, 422, 500]))
@pytest.mark.parametrize("command", ["post", "deploy"])
@pytest.mark.usefixtures("at_once")
def test_any_answer_of_github_ends_as_documented(
    review: Review,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    broken_github: FakeGitHub,
    answers: list[Any],
    status: int,
    command: str,
) -> None:
    left = iter([*answers, *[{"message": TOKEN}] * 20])
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    variables = {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "acme/aegis", "GITHUB_API_URL": broken_github.url}
    variables |= {"GITHUB_EVENT_PATH": str(tmp_path / "event.json"), "GITHUB_SHA": "c0ffee"}
    with monkeypatch.context() as patch:
        patch.setattr(broken_github, "answer", lambda *_: (status, next(left)))
        for name, value in variables.items():
            patch.setenv(name, value)
        if command == "deploy":
            patch.setattr(commands.engine, "preview", _recorded)
            check(review, "deploy", "--stack", "prod")
        else:
            check(review, "post", RECORDINGS / "updates.json", "--stack", "prod")


def _recorded(_project: Path, _stack: str, recording: Path, _plan: Path) -> None:
    recording.write_bytes((RECORDINGS / "replaces-database.ndjson").read_bytes())


def test_a_trailing_newline_is_removed_from_the_token(
    review: Review, github: FakeGitHub, pull_request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull_request()
    monkeypatch.setenv("GITHUB_TOKEN", f"{github.token}\n")
    assert review("post", "updates.json", "--stack", "prod").code is Exit.OK


def test_a_malformed_token_is_refused_and_not_shown(
    review: Review, github: FakeGitHub, pull_request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull_request()
    monkeypatch.setenv("GITHUB_TOKEN", f"{TOKEN}\n{TOKEN}")
    result = review("post", "updates.json", "--stack", "prod")
    assert result.code is Exit.USAGE
    assert result.err.startswith("error: GITHUB_TOKEN must consist of letters, digits and _.-, got another character")
    assert TOKEN not in result.err
