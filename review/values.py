"""Property values in the engine's notation: lookup by path, and display without marked secrets."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

SECRET: Final = "[secret]"  # noqa: S105 - the engine's own placeholder
UNKNOWN: Final = "(known after the update)"
ABSENT: Final = "(none)"
LONGEST: Final = 60

# The marks of a secret, https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/sig/sig.go, and of a value
# that a preview doesn't know, https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/plugin/rpc.go
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET_MARK: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a public constant
_UNKNOWN_MARKS: Final = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
# A key, an index or a quoted key, as in `spec.ports[0]` and `labels["app.kubernetes.io/name"]`.
_PART: Final = re.compile(r'\.?(?P<key>[^.\[\]"]+)|\[(?P<index>\d+)\]|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]')


def names(path: str) -> list[str]:
    """Return the keys of a property path, without indices."""
    return [key for part in _PART.finditer(path) if (key := _key(part)) is not None]


def around(tree: object, path: str) -> object:
    """Return the value that holds the last part of a property path."""
    last = max((part.start() for part in _PART.finditer(path)), default=0)
    return at(tree, path[:last])


def at(tree: object, path: str) -> object:
    """Return the value at a property path; None if it is missing, `SECRET` if it is inside a secret."""
    for part in _PART.finditer(path):
        tree = _bare(tree)
        if tree == SECRET:
            return SECRET
        tree = _child(tree, part)
    return _bare(tree)


def blinded(value: object, beside: Iterable[object] = ()) -> object:
    """Return a value with `SECRET` wherever it, or one of the values `beside` it, has a secret at any depth."""
    bare, *others = map(_bare, (value, *beside))
    if SECRET in (bare, *others):
        return SECRET
    if isinstance(bare, Mapping):
        alike = [other for other in others if isinstance(other, Mapping)]
        return {key: blinded(member, [other.get(key) for other in alike]) for key, member in bare.items()}
    if isinstance(bare, list):
        lists = [other for other in others if isinstance(other, list)]
        return [
            blinded(member, [other[index] for other in lists if index < len(other)])
            for index, member in enumerate(bare)
        ]
    return bare


def shown(value: object) -> str:
    """Return a value on one short line, without its marked secrets."""
    bare = blinded(value)
    if bare is None:
        return ABSENT
    text = bare if isinstance(bare, str) and bare.strip() else json.dumps(bare)
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(line)} characters)"


def _child(tree: object, part: re.Match[str]) -> object:
    if part["index"] is not None:
        index = int(part["index"])
        return tree[index] if isinstance(tree, list) and index < len(tree) else None
    key = _key(part)
    return tree.get(key) if isinstance(tree, Mapping) else None


def _key(part: re.Match[str]) -> str | None:
    return part["quoted"].replace('\\"', '"') if part["quoted"] is not None else part["key"]


def _bare(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping) and value.get(_SIGNATURE) == _SECRET_MARK:
        return SECRET
    return UNKNOWN if isinstance(value, str) and value in _UNKNOWN_MARKS else value
