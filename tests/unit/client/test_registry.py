"""The listing of an artifact store that lies."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from mlflow.entities import FileInfo

from aegis import registry
from aegis.errors import NotVerifiedError


class Store:
    """An artifact store with these entries in its folders; `""` is the root, and `*` stands for every other folder."""

    def __init__(self, entries: Mapping[str, Sequence[tuple[str, bool]]]) -> None:
        self._entries = entries

    def list_artifacts(self, folder: str | None) -> list[FileInfo]:
        found = self._entries.get(folder or "", self._entries.get("*", ()))
        return [FileInfo(path.replace("*", folder or ""), is_dir, 1) for path, is_dir in found]


def listed(entries: Mapping[str, Sequence[tuple[str, bool]]]) -> list[str]:
    store: Any = Store(entries)
    return [path for path, _ in registry.listing(store)]


def test_files_of_all_folders_are_listed() -> None:
    entries = {"": [("a", False), ("b", True), ("c", True)], "b": [("b/c", True)], "b/c": [("b/c/d e", False)]}
    assert listed(entries) == ["a", "b/c/d e"]


@pytest.mark.parametrize("path", ["../a", "/a", "a/b", "..", ".", "", "b/../../a", "./a", "a/"])
@pytest.mark.parametrize("is_dir", [True, False])
def test_a_path_outside_the_folder_is_refused(path: str, is_dir: bool) -> None:
    with pytest.raises(NotVerifiedError, match="its artifact store lists"):
        listed({"": [(path, is_dir)]})


@pytest.mark.parametrize("path", ["b", "b/..", "a", "b/c/d", "/b/c"])
def test_a_folder_that_lists_another_one_is_refused(path: str) -> None:
    with pytest.raises(NotVerifiedError, match="in the folder 'b'"):
        listed({"": [("b", True)], "b": [(path, True)]})


def test_endless_folders_are_refused() -> None:
    with pytest.raises(NotVerifiedError, match="more than 100 folders in one another"):
        listed({"": [("b", True)], "*": [("*/b", True)]})
