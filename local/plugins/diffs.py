"""Comparison of two trees of plain values, path by path."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.plugins.paths import Path, covers
from local.plugins.provider import Change
from local.plugins.values import UNKNOWN, Tree

Same = Callable[[Path, Tree, Tree], bool]


def equal(_path: Path, old: Tree, new: Tree) -> bool:
    """Compare two scalars. A boolean never equals a number."""
    return old == new and isinstance(old, bool) == isinstance(new, bool)


def compare(old: Tree, new: Tree, same: Same = equal, path: Path = ()) -> dict[Path, Change]:
    """Return the innermost paths that differ. Lists are compared by position, and None counts as absent.

    An unknown new value always counts as an update, because it may turn out to differ.
    """
    if old is None or new is None:
        return {} if old is new else {path: Change.ADD if old is None else Change.DELETE}
    if new is UNKNOWN:
        return {path: Change.UPDATE}
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _merged(
            compare(old.get(key), new.get(key), same, (*path, key)) for key in sorted(old.keys() | new.keys())
        )
    if isinstance(old, list) and isinstance(new, list):
        return _compare_lists(old, new, same, path)
    return {} if same(path, old, new) else {path: Change.UPDATE}


def _compare_lists(old: list[Any], new: list[Any], same: Same, path: Path) -> dict[Path, Change]:
    shared = min(len(old), len(new))
    pairs = enumerate(zip(old, new, strict=False))
    changes = _merged(compare(before, after, same, (*path, index)) for index, (before, after) in pairs)
    changes |= dict.fromkeys(((*path, index) for index in range(shared, len(old))), Change.DELETE)
    changes |= dict.fromkeys(((*path, index) for index in range(shared, len(new))), Change.ADD)
    return changes


def _merged(parts: Iterable[dict[Path, Change]]) -> dict[Path, Change]:
    return {path: change for part in parts for path, change in part.items()}


def without(changes: Mapping[Path, Change], ignored: Iterable[Path]) -> dict[Path, Change]:
    """Return the changes that the program's `ignore_changes` doesn't cover."""
    patterns = list(ignored)
    return {path: change for path, change in changes.items() if not any(covers(each, path) for each in patterns)}
