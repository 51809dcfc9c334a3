"""The machine that the toolchain's tests run on."""

from pathlib import Path

import pytest

from tests.unit.toolchain.support import GO, Machine, write_program


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Make a machine that has nothing but a `go`."""
    made = Machine(cache=tmp_path / "cache", programs=tmp_path / "programs", go=tmp_path / "go")
    made.go.mkdir()
    made.say("version", "go1.26.0")
    write_program(made.programs / "go", GO.format(folder=made.go))
    write_program(made.go / "sources/python/cmd/pulumi-language-python-exec", "#!/usr/bin/env python\n")
    monkeypatch.setenv("PATH", str(made.programs))
    monkeypatch.setenv("AEGIS_CACHE", str(made.cache))
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    return made
