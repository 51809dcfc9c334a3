"""Input that is not a preview is refused with a reason, and a preview is read in every form."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from review.exits import Exit
from review.preview import ACTIONS
from tests.unit.review.conftest import RECORDINGS, Review

URN = "urn:pulumi:prod::aegis::aws:s3/bucket:Bucket::artifacts"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("Previewing update (prod):\n", "line 1 isn't JSON"),
        ("[1, 2]", "the document must be an object, got an array"),
        ("null", "the document must be an object, got null"),
        ("{}", "the document must have one of the keys steps, diagnostics, changeSummary, config, got none"),
        (
            '{"version": 3, "deployment": {}}',
            "the document must have one of the keys steps, diagnostics, changeSummary, config, got version, deployment",
        ),
        ('{"steps": {}}', "steps must be an array, got an object"),
        ('{"steps": [1]}', "a step must be an object, got an integer"),
        ('{"steps": [{"op": "same"}]}', "the urn of a step must be a string, got null"),
        (
            '{"steps": [{"op": "same", "urn": "artifacts"}]}',
            "the urn of a step must be urn:pulumi:STACK::PROJECT::TYPE::NAME, got another text",
        ),
        (
            json.dumps({"steps": [{"op": "obliterate", "urn": URN}]}),
            f"the op of a step must be one of {', '.join(ACTIONS)}, got obliterate",
        ),
        (
            json.dumps({"steps": [{"op": "delete", "urn": URN, "oldState": []}]}),
            "the state of a step must be an object, got an array",
        ),
        (
            json.dumps({"steps": [{"op": "delete", "urn": URN, "oldState": {"custom": True, "inputs": 1}}]}),
            "the inputs of a step must be an object, got an integer",
        ),
        (
            '{"steps": [], "changeSummary": {"same": "x"}}',
            "the number of unchanged resources must be an integer, got a string",
        ),
        ('{"sequence": 1, "summaryEvent": {}}\n{"other": 1}', "line 2 must have the key sequence"),
        ('{"sequence": 1, "resourcePreEvent": 1}', "the resourcePreEvent of line 1 must be an object, got an integer"),
        ('{"sequence": 1, "resourcePreEvent": {}}', "the metadata of a resourcePreEvent must be an object, got null"),
        ('{"sequence": 1, "diagnosticEvent": {}}\n{"sequence": 2, "resOut', "line 2 isn't JSON"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
        (f'{{"steps": [], "changeSummary": {{"same": {"9" * 5_000}}}}}', "Exceeds the limit (4300 digits)"),
        (
            json.dumps({"steps": [{"op": "same", "urn": URN}, {"op": "same", "urn": URN.replace("prod", "dev")}]}),
            "the steps must be of one stack, got prod, dev",
        ),
    ],
)
def test_input_that_is_not_a_preview_is_refused_with_the_reason(
    review: Review, tmp_path: Path, content: str, reason: str
) -> None:
    file = tmp_path / "given.json"
    file.write_text(content)
    result = review("comment", file, "--stack", "prod")
    assert result.code is Exit.USAGE
    assert f"given.json isn't a preview: {reason}" in result.err
    assert "give the output of `python -m review preview`" in result.err
    assert result.out == ""


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (SECRET, "line 1"),
        ([{"password": SECRET}], "the document"),
        ({"steps": SECRET}, "steps"),
        ({"steps": {"password": SECRET}}, "steps"),
        ({"steps": [[SECRET]]}, "a step"),
        ({"steps": [{"op": "same", "urn": SECRET}]}, "the urn of a step"),
        ({"steps": [{"op": "same", "urn": {"password": SECRET}}]}, "the urn of a step"),
        ({"steps": [{"op": SECRET, "urn": URN}]}, "the op of a step"),
        ({"steps": [{"op": [SECRET], "urn": URN}]}, "the op of a step"),
        ({"steps": [{"op": "delete", "urn": URN, "oldState": SECRET}]}, "the state of a step"),
        ({"steps": [{"op": "delete", "urn": URN, "oldState": {"inputs": [SECRET]}}]}, "the inputs of a step"),
        ({"steps": [], "changeSummary": SECRET}, "the summary of the changes"),
        ({"steps": [], "changeSummary": {"same": SECRET}}, "the number of unchanged resources"),
        ({"steps": [], "diagnostics": {"message": SECRET}}, "diagnostics"),
        ({"sequence": 1, "diagnosticEvent": SECRET}, "the diagnosticEvent of line 1"),
    ],
)
def test_a_refusal_names_the_place_and_never_shows_the_value(
    review: Review, tmp_path: Path, content: Any, place: str
) -> None:
    file = tmp_path / "given.json"
    file.write_text(content if content is SECRET else json.dumps(content))
    result = review("comment", file, "--stack", "prod")
    assert result.code is Exit.USAGE
    assert f"given.json isn't a preview: {place} " in result.err
    assert SECRET not in result.err + result.out


def test_an_event_with_a_text_for_a_number_is_refused_without_the_text(
    review: Review, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"number": SECRET, "head": {"sha": "c0ffee"}, "labels": []}
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": about}))
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    result = review("comment", RECORDINGS / "updates.json")
    assert result.code is Exit.USAGE
    assert "the number of the pull request isn't an integer" in result.err
    assert SECRET not in result.err


def test_a_password_in_the_address_of_the_api_is_not_shown(
    review: Review, pull_request: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pull_request()
    monkeypatch.setenv("GITHUB_TOKEN", "token")
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/aegis")
    monkeypatch.setenv("GITHUB_API_URL", f"https://bot:{SECRET}@ghe.example.com/api/v3")
    result = review("post", "updates.json", "--stack", "prod")
    assert result.code is Exit.USAGE
    assert "GITHUB_API_URL must be https://HOST" in result.err
    assert "ghe.example.com/api/v3" in result.err
    assert SECRET not in result.err


def test_a_missing_file_is_named(review: Review, tmp_path: Path) -> None:
    result = review("comment", tmp_path / "absent.json")
    assert result.code is Exit.USAGE
    assert "absent.json can't be read (No such file or directory)" in result.err


def test_a_binary_file_is_refused(review: Review, tmp_path: Path) -> None:
    file = tmp_path / "archive.json"
    file.write_bytes(b"\x1f\x8b\xff")
    result = review("comment", file)
    assert result.code is Exit.USAGE
    assert "archive.json isn't UTF-8 text" in result.err


def test_a_preview_of_another_stack_is_refused(review: Review) -> None:
    result = review("comment", "updates.ndjson", "--stack", "dev")
    assert result.code is Exit.USAGE
    assert "must be of the stack dev (--stack), got prod" in result.err


def test_an_empty_recording_is_a_failed_preview(review: Review, tmp_path: Path) -> None:
    (tmp_path / "empty.json").touch()
    result = review("comment", tmp_path / "empty.json", "--stack", "prod")
    assert result.code is Exit.FAILED
    assert result.first_line == "**The preview failed (stack prod)**"


def test_an_empty_recording_needs_the_option_stack(review: Review, tmp_path: Path) -> None:
    (tmp_path / "empty.json").touch()
    result = review("comment", tmp_path / "empty.json")
    assert result.code is Exit.USAGE
    assert "names no resource and therefore no stack: give --stack" in result.err


def test_an_unknown_stack_is_refused_with_a_list_of_the_stacks(review: Review, tmp_path: Path) -> None:
    result = review("preview", "--stack", "qa", "--out", tmp_path / "preview.json")
    assert result.code is Exit.USAGE
    assert "invalid choice: 'qa'" in result.err
    assert "'local'" in result.err


def test_a_file_that_is_not_an_event_of_github_is_refused(
    review: Review, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "event.json").write_text('{"pull_request": {"number": 7}}')
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    result = review("comment", RECORDINGS / "updates.json")
    assert result.code is Exit.USAGE
    event = tmp_path / "event.json"
    assert f"GITHUB_EVENT_PATH must name an event of GitHub, got {event} (KeyError: 'head')" in result.err


def test_without_a_command_the_usage_is_printed(review: Review) -> None:
    result = review()
    assert result.code is Exit.USAGE
    assert "COMMAND" in result.err


def test_a_preview_is_read_from_stdin(review: Review, monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.BytesIO((RECORDINGS / "deletes-bucket.json").read_bytes())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(given))
    result = review("comment", "-")
    assert result.code is Exit.DATA_LOSS
    assert result.first_line == "**Deletes the bucket: aegis-prod-artifacts (stack prod)**"


@pytest.mark.parametrize(
    ("before", "line_end"), [(b"\xef\xbb\xbf", b"\n"), (b"", b"\r\n")], ids=["a byte order mark", "carriage returns"]
)
@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_a_byte_order_mark_and_carriage_returns_are_accepted(
    review: Review, tmp_path: Path, form: str, before: bytes, line_end: bytes
) -> None:
    file = tmp_path / "written"
    file.write_bytes(before + (RECORDINGS / f"deletes-bucket.{form}").read_bytes().replace(b"\n", line_end))
    assert review("comment", file).code is Exit.DATA_LOSS


def test_a_value_may_hold_unicode_line_separators(review: Review, tmp_path: Path) -> None:
    file = tmp_path / "lines.ndjson"
    events = (RECORDINGS / "deletes-bucket.ndjson").read_text()
    file.write_text(events.replace("aegis-prod-artifacts", "aegis\N{NEXT LINE}artifacts"))
    assert review("comment", file).first_line == "**Deletes the bucket: aegis artifacts (stack prod)**"


@pytest.mark.parametrize(
    ("name", "code"), [("updates", Exit.OK), ("program-fails", Exit.FAILED), ("violates-policy", Exit.FAILED)]
)
def test_a_preview_of_an_older_engine_is_judged_by_its_events(
    review: Review, tmp_path: Path, name: str, code: Exit
) -> None:
    file = tmp_path / "older.ndjson"
    events = (RECORDINGS / f"{name}.ndjson").read_text()
    file.write_text(events.replace(',"result":"succeeded"', "").replace(',"result":"failed"', ""))
    assert review("comment", file).code is code
