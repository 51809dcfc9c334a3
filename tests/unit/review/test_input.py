"""What isn't a preview is refused, with what was given; what is one is read, however it comes."""

import io
import json
from pathlib import Path

import pytest

from review.exits import Exit
from tests.unit.review.conftest import RECORDINGS, Review

URN = "urn:pulumi:prod::aegis::aws:s3/bucket:Bucket::artifacts"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("Previewing update (prod):\n", "line 1 is no JSON"),
        ("[1, 2]", "it is [1, 2]"),
        ("null", "it is null"),
        ("{}", "it is an object with nothing in it"),
        ('{"version": 3, "deployment": {}}', "it is an object with version, deployment"),
        ('{"steps": {}}', "steps is {}"),
        ('{"steps": [1]}', "a step is 1"),
        ('{"steps": [{"op": "same"}]}', "the urn of a step is null"),
        ('{"steps": [{"op": "same", "urn": "artifacts"}]}', "the urn of a step is 'artifacts'"),
        (json.dumps({"steps": [{"op": "obliterate", "urn": URN}]}), "the op of a step is 'obliterate'"),
        (json.dumps({"steps": [{"op": "delete", "urn": URN, "oldState": []}]}), "the state of a step"),
        (
            json.dumps({"steps": [{"op": "delete", "urn": URN, "oldState": {"custom": True, "inputs": 1}}]}),
            "the inputs of a step is 1",
        ),
        ('{"steps": [], "changeSummary": {"same": "x"}}', 'the number of unchanged resources is "x"'),
        ('{"sequence": 1, "summaryEvent": {}}\n{"other": 1}', "line 2 is an object without a sequence number"),
        ('{"sequence": 1, "resourcePreEvent": 1}', "the resourcePreEvent of line 1 is 1"),
        ('{"sequence": 1, "resourcePreEvent": {}}', "the metadata of a resourcePreEvent is null"),
        ('{"sequence": 1, "diagnosticEvent": {}}\n{"sequence": 2, "resOut', "line 2 is no JSON"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
        (f'{{"steps": [], "changeSummary": {{"same": {"9" * 5_000}}}}}', "Exceeds the limit (4300 digits)"),
        (
            json.dumps({"steps": [{"op": "same", "urn": URN}, {"op": "same", "urn": URN.replace("prod", "dev")}]}),
            "its steps are of several stacks: prod, dev",
        ),
    ],
)
def test_what_is_no_preview_is_refused_with_what_it_is(
    review: Review, tmp_path: Path, content: str, reason: str
) -> None:
    file = tmp_path / "given.json"
    file.write_text(content)
    result = review("comment", file, "--stack", "prod")
    assert result.code is Exit.USAGE
    assert f"given.json isn't a preview: {reason}" in result.err
    assert "allowed is what `python -m review preview`" in result.err
    assert result.out == ""


def test_a_missing_file_is_named(review: Review, tmp_path: Path) -> None:
    result = review("comment", tmp_path / "absent.json")
    assert result.code is Exit.USAGE
    assert "absent.json can't be read (No such file or directory)" in result.err


def test_a_file_that_is_no_text_is_named(review: Review, tmp_path: Path) -> None:
    file = tmp_path / "archive.json"
    file.write_bytes(b"\x1f\x8b\xff")
    result = review("comment", file)
    assert result.code is Exit.USAGE
    assert "archive.json is no text" in result.err


def test_a_preview_of_another_stack_is_refused(review: Review) -> None:
    result = review("comment", "updates.ndjson", "--stack", "dev")
    assert result.code is Exit.USAGE
    assert "is of the stack prod, and --stack says dev" in result.err


def test_a_preview_that_wrote_nothing_is_a_failed_one(review: Review, tmp_path: Path) -> None:
    (tmp_path / "empty.json").touch()
    result = review("comment", tmp_path / "empty.json", "--stack", "prod")
    assert result.code is Exit.FAILED
    assert result.first_line == "**The preview failed (stack prod)**"


def test_without_any_resource_the_stack_must_be_said(review: Review, tmp_path: Path) -> None:
    (tmp_path / "empty.json").touch()
    result = review("comment", tmp_path / "empty.json")
    assert result.code is Exit.USAGE
    assert "names no resource, and so no stack: say --stack" in result.err


def test_a_stack_without_a_file_is_refused_with_those_that_have_one(review: Review, tmp_path: Path) -> None:
    result = review("preview", "--stack", "qa", "--out", tmp_path / "preview.json")
    assert result.code is Exit.USAGE
    assert "invalid choice: 'qa'" in result.err
    assert "'local'" in result.err


def test_an_event_that_is_not_githubs_is_refused(
    review: Review, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "event.json").write_text('{"pull_request": {"number": 7}}')
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    result = review("comment", RECORDINGS / "updates.json")
    assert result.code is Exit.USAGE
    assert "event.json, which is no event of GitHub (KeyError: 'head')" in result.err


def test_no_command_prints_the_usage(review: Review) -> None:
    result = review()
    assert result.code is Exit.USAGE
    assert "COMMAND" in result.err


def test_a_preview_comes_by_stdin_too(review: Review, monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.BytesIO((RECORDINGS / "deletes-bucket.json").read_bytes())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(given))
    result = review("comment", "-")
    assert result.code is Exit.DATA_LOSS
    assert result.first_line == "**Deletes the bucket: aegis-prod-artifacts (stack prod)**"


@pytest.mark.parametrize(
    ("before", "line_end"), [(b"\xef\xbb\xbf", b"\n"), (b"", b"\r\n")], ids=["a byte order mark", "carriage returns"]
)
@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_a_preview_that_another_shell_wrote_is_read(
    review: Review, tmp_path: Path, form: str, before: bytes, line_end: bytes
) -> None:
    file = tmp_path / "written"
    file.write_bytes(before + (RECORDINGS / f"deletes-bucket.{form}").read_bytes().replace(b"\n", line_end))
    assert review("comment", file).code is Exit.DATA_LOSS


def test_a_value_may_hold_any_character_that_ends_a_line_elsewhere(review: Review, tmp_path: Path) -> None:
    file = tmp_path / "lines.ndjson"
    events = (RECORDINGS / "deletes-bucket.ndjson").read_text()
    file.write_text(events.replace("aegis-prod-artifacts", "aegis\N{NEXT LINE}artifacts"))
    assert review("comment", file).first_line == "**Deletes the bucket: aegis artifacts (stack prod)**"


@pytest.mark.parametrize(
    ("name", "code"), [("updates", Exit.OK), ("program-fails", Exit.FAILED), ("violates-policy", Exit.FAILED)]
)
def test_a_preview_of_an_engine_that_gives_no_result_is_judged_by_its_events(
    review: Review, tmp_path: Path, name: str, code: Exit
) -> None:
    file = tmp_path / "older.ndjson"
    events = (RECORDINGS / f"{name}.ndjson").read_text()
    file.write_text(events.replace(',"result":"succeeded"', "").replace(',"result":"failed"', ""))
    assert review("comment", file).code is code
