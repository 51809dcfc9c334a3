"""Atomic writes of files and folders, and the lock on an output folder."""

from pathlib import Path

import pytest

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training import files


def test_a_json_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    assert files.read_json(path) is None
    files.write_json(path, {"epochs": 1})
    with pytest.raises(TypeError):
        files.write_json(path, {"epochs": object()})
    assert files.read_json(path) == {"epochs": 1}


def test_a_published_folder_replaces_the_one_before(tmp_path: Path) -> None:
    for content in ("old", "new"):
        partial = tmp_path / "model.partial"
        partial.mkdir()
        (partial / content).touch()
        files.publish_folder(partial, tmp_path / "model")
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["model", "model/new"]


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with files.claim_folder(folder):
        with pytest.raises(WorkloadError, match=f"another training uses {folder}") as refusal:
            files.claim_folder(folder)
        assert refusal.value.code == Exit.USAGE
    files.claim_folder(folder).close()


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkloadError, match="can't be written to: Not a directory"):
        files.claim_folder(tmp_path / "file" / "out")
