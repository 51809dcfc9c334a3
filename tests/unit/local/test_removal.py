"""A folder is deleted whole, with thousands of files at once, and nothing outside of it."""

from pathlib import Path

import pytest

from local.removal import remove


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    for number in range(40):
        inner = folder / "deep" / str(number) / "deeper"
        inner.mkdir(parents=True)
        (inner / "file").write_text("content")
    return folder


def test_a_folder_is_deleted_with_all_that_is_in_it(folder: Path) -> None:
    remove(folder)
    assert not folder.exists()


def test_links_are_deleted_and_what_they_lead_to_stays(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("content")
    (folder / "deep" / "to folder").symlink_to(outside)
    (folder / "deep" / "to file").symlink_to(outside / "file")
    (folder / "deep" / "to nothing").symlink_to(tmp_path / "nothing")
    remove(folder)
    assert not folder.exists()
    assert (outside / "file").read_text() == "content"


def test_a_missing_folder_counts_as_deleted(tmp_path: Path) -> None:
    remove(tmp_path / "missing")


def test_what_cannot_be_deleted_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, **_: object) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr("os.unlink", refuse)
    with pytest.raises(PermissionError, match="Operation not permitted"):
        remove(folder)
    remove(folder, ignore_errors=True)
    assert folder.exists()
