"""Stand-ins for the programs that build and load images. Each records its calls and does what a test sets."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

_SCRIPT = """#!/bin/sh
printf '%s\\n' "{name} $*" >> {calls}
case "$*" in
{cases}
esac
exit 0
"""


class Programs:
    """A PATH that contains only the stand-ins that a test adds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "programs"
        self.folder.mkdir()
        self._calls = folder / "calls"

    def put(self, name: str, **answers: str) -> None:
        """Add a program. `answers` are shell commands by the first argument of a call."""
        cases = "\n".join(f"{word}|{word}\\ *) {command} ;;" for word, command in answers.items())
        file = self.folder / name
        file.write_text(_SCRIPT.format(name=name, calls=shlex.quote(str(self._calls)), cases=cases))
        file.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        """Return the arguments of each call of a program."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AEGIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    stand_ins = Programs(tmp_path)
    for needed in ("sh", "cat", "tar"):
        (stand_ins.folder / needed).symlink_to(f"/bin/{needed}")
    monkeypatch.setenv("PATH", str(stand_ins.folder))
    return stand_ins


PutKubeconfig = Callable[..., Path]


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PutKubeconfig:
    """Write the user's kubeconfig with contexts of these names, and return its path."""

    def put(*names: str, extra: str = "") -> Path:
        file = tmp_path / "kubeconfig"
        listed = "".join(f"- name: {name}\n  context: {{cluster: c, user: u}}\n" for name in names)
        file.write_text(f"apiVersion: v1\nkind: Config\ncontexts:\n{listed}{extra}")
        monkeypatch.setenv("KUBECONFIG", str(file))
        return file

    return put
