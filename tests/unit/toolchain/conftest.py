"""The machine for the toolchain's tests."""

from pathlib import Path

import pytest

from tests.unit.toolchain.support import GO, Machine, write_program


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Create a machine whose only program is `go`."""
    test_machine = Machine(cache=tmp_path / "cache", programs=tmp_path / "programs", go=tmp_path / "go")
    test_machine.go.mkdir()
    test_machine.say("version", "go1.26.0")
    write_program(test_machine.programs / "go", GO.format(folder=test_machine.go))
    write_program(test_machine.go / "sources/python/cmd/pulumi-language-python-exec", "#!/usr/bin/env python\n")
    monkeypatch.setenv("PATH", str(test_machine.programs))
    monkeypatch.setenv("AEGIS_CACHE", str(test_machine.cache))
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    return test_machine
