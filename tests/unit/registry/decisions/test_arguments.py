from pathlib import Path
from typing import Any

import pytest

from contracts import Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.registry.__main__ import main
from workloads.release import store


def run(*argv: object) -> int:
    """Run the command as a process would, and return its exit code."""
    with pytest.raises(SystemExit) as exit_:
        cli.run(main, [str(argument) for argument in argv])
    return int(exit_.value.code or 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote", "m"),
        ("promote", "m", "--policy", "p", "--version", "0"),
        ("promote", "m", "--policy", "p", "--version", "1", "--candidate"),
        ("promote", "m", "--policy", "p", "--stage", "None"),
        ("promote", "m", "--policy", "p", "--alias", "latest"),
        ("promote", "m", "--policy", "p", "--alias", "v1"),
        ("promote", "m", "--policy", "p", "--alias", "previous"),
        ("promote", "m", "--policy", "p", "--reason", ""),
        ("promote", "m", "--policy", "p", "--approve-by", "a\nb"),
        ("promote", "a/b", "--policy", "p"),
        ("auto-promote", "m"),
        ("auto-promote", "m", "--policy", "p", "--version", "1"),
        ("nominate", "m"),
        ("nominate", "m", "one"),
        ("rollback", "m", "--to", "-1"),
        ("history", "m", "--accept-head", "ab"),
    ],
)
def test_wrong_arguments_are_refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == Exit.USAGE
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "address",
    ["file:releases", "file:///tmp/some%20where", "file://localhost/tmp/x", "./releases", "/tmp/releases", "bucket"],
)
def test_the_place_of_the_releases_is_a_folder_or_a_bucket(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_RELEASES_BUCKET", address)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    found: Any = store.from_environment()
    expected = {
        "file:releases": Path.cwd() / "releases",
        "file:///tmp/some%20where": Path("/tmp/some where"),
        "file://localhost/tmp/x": Path("/tmp/x"),
    }
    if address == "bucket":
        assert found.bucket == "bucket"
    else:
        assert found.root == expected.get(address, Path(address).absolute())


@pytest.mark.parametrize("address", ["file://elsewhere/x", "file:"])
def test_an_address_that_is_no_local_folder_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_RELEASES_BUCKET", address)
    with pytest.raises(WorkloadError, match="AEGIS_RELEASES_BUCKET: ") as error:
        store.from_environment()
    assert error.value.code == Exit.USAGE


@pytest.mark.parametrize("command", ["promote", "compare"])
def test_the_help_shows_no_empty_default(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == Exit.OK
    assert "default: []" not in capsys.readouterr().out
