"""The review with the real engine, whose output the review must be able to read."""

import os
from pathlib import Path
from typing import Any

import pytest

from review import __main__ as command_line
from review import commands, engine
from review.exits import Exit
from tests.engine.stack import Stack

STREAMING = "PULUMI_ENABLE_STREAMING_JSON_PREVIEW"
PROGRAM = """
import pulumi_random as random

random.RandomPassword("admin", length={length})
"""


@pytest.fixture
def reviewed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A deployed stack that the review examines."""
    for name, value in stack._environment().items():
        monkeypatch.setenv(name, value)
    (stack.folder / "stacks").mkdir()
    (stack.folder / "stacks" / "Pulumi.test.yaml").touch()
    monkeypatch.setattr(commands, "PROJECT", stack.folder)
    stack.program(PROGRAM.format(length=20))
    stack.up()
    return stack


@pytest.mark.parametrize("streamed", ["true", "false"])
def test_the_replacement_of_a_password_is_reported_and_blocked(
    reviewed: Stack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    streamed: str,
) -> None:
    monkeypatch.setattr(reviewed, "_environment", lambda: os.environ | {STREAMING: streamed})
    reviewed.program(PROGRAM.format(length=30))
    (tmp_path / "preview.json").write_text(reviewed.run("preview", "--json", "--non-interactive"))
    assert command_line.main(["comment", str(tmp_path / "preview.json")]) == Exit.DATA_LOSS
    comment = capsys.readouterr().out
    assert comment.startswith("**Replaces the password: admin (stack test)**\n")
    assert "`length`: `20` → `30` (forces the replacement)" in comment


def test_an_unchanged_environment_has_no_drift(reviewed: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["drift", "--stack", "test"]) == Exit.OK
    assert capsys.readouterr().out.startswith("**No drift (stack test)**\n")


def test_a_policy_pack_that_cant_be_loaded_stops_the_deployment(
    reviewed: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    reviewed.program(PROGRAM.format(length=30))
    before = reviewed.state()
    assert command_line.main(["deploy", "--stack", "test", "--allow-data-loss"]) == Exit.FAILED
    assert str(reviewed.folder / "policy") in capsys.readouterr().out
    assert reviewed.state() == before


def test_a_deployment_does_only_what_its_preview_showed(
    reviewed: Stack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # The policy pack is tested separately.
    monkeypatch.setattr(engine, "_policies", lambda *_: [])
    original_preview = engine.preview

    def changed_meanwhile(*arguments: Any) -> None:
        original_preview(*arguments)
        reviewed.program(PROGRAM.format(length=30))

    assert command_line.main(["deploy", "--stack", "test"]) == Exit.OK
    monkeypatch.setattr(engine, "preview", changed_meanwhile)
    before = reviewed.state()
    assert command_line.main(["deploy", "--stack", "test"]) == Exit.FAILED
    assert "violates plan" in capfd.readouterr().out
    assert reviewed.state()["admin"]["inputs"] == before["admin"]["inputs"]
