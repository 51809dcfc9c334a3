import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from review import __main__ as command_line
from review.exits import Exit
from tests.support.fake_github import FakeGitHub, fake_github

RECORDINGS = Path(__file__).parent / "recordings"


@dataclass(frozen=True, kw_only=True)
class Result:
    """The exit code and the output of a command."""

    code: Exit
    out: str
    err: str

    @property
    def first_line(self) -> str:
        return self.out.splitlines()[0]


Review = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the workflow of GitHub in which the tests themselves may run."""
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def review(capsys: pytest.CaptureFixture[str]) -> Review:
    """Run a command; the name of a recording stands for its file."""

    def run(*argv: str | Path) -> Result:
        recordings = {file.name for file in RECORDINGS.iterdir()}
        arguments = [str(RECORDINGS / argument) if argument in recordings else str(argument) for argument in argv]
        try:
            code = command_line.main(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Result(code=Exit(code), out=captured.out, err=captured.err)

    return run


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    with fake_github() as server:
        monkeypatch.setenv("GITHUB_API_URL", server.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", server.repository)
        monkeypatch.setenv("GITHUB_TOKEN", server.token)
        yield server


@pytest.fixture
def pull_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set up the workflow of pull request 7, with these labels."""

    def become(*labels: str) -> None:
        event = tmp_path / "event.json"
        about = {"number": 7, "head": {"sha": "c0ffee"}, "labels": [{"name": label} for label in labels]}
        event.write_text(json.dumps({"action": "synchronize", "pull_request": about}))
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))

    return become
