"""`local.program` runs the real engine and tells its progress and errors from the event log."""

from pathlib import Path

import pytest

from local import env, paths, program, progress
from local.errors import LocalError

PROGRAM = """
import pulumi, pulumi_random as r
token = r.RandomPassword("token", length=20, special=False)
r.RandomId("id", byte_length={length}, opts=pulumi.ResourceOptions(depends_on=[token]))
pulumi.export("token", token.result)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".venv").symlink_to(paths.REPOSITORY / ".venv")
    (folder / "Pulumi.yaml").write_text("name: test\nruntime: python\n")
    monkeypatch.setattr(paths, "REPOSITORY", folder)
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    return folder


def test_an_update_a_failure_and_a_destruction(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    variables = env.engine_environment()
    (project / "__main__.py").write_text(PROGRAM.format(length=4))
    with progress.step("Up") as step:
        assert program.up("one", variables, step).resources == 2
        assert program.up("one", variables, step).resources == 0
    told = capsys.readouterr().err
    assert "RandomPassword token created" in told
    assert "RandomId id created" in told
    token = program.outputs("one", variables, secrets=True)["token"]
    assert token not in told

    (project / "__main__.py").write_text(PROGRAM.format(length=-1))
    with pytest.raises(LocalError, match="pulumi up of the stack one failed"), progress.step("Up") as step:
        program.up("one", variables, step)
    assert capsys.readouterr().err.count("byteLength must be a whole number of at least 1, got -1") == 1

    with progress.step("Destroy") as step:
        assert program.destroy("one", variables, step).resources == 2
    assert not program.is_up("one")
    secrets_on_disk = [file for file in paths.home().rglob("*") if file.is_file() and token in file.read_text("latin1")]
    assert secrets_on_disk == []
