"""Conversion of property values between the Pulumi engine's protocol and plain Python.

The plugins work on *trees*: dicts, lists, strings, numbers, booleans and None, where a value may also be
`Secret(tree)` (the state must encrypt it) or `UNKNOWN` (not known in a preview). Whole numbers are `int`. The protocol
marks secret and unknown values inside ordinary JSON, with the signatures of
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/sig/sig.go. Assets and resource references never
arrive, because the plugins tell the engine that they don't accept them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from google.protobuf import struct_pb2

Tree = Any
Bag = dict[str, Tree]

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a public constant of the protocol.
_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS: Final = frozenset(
    {
        _UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class Unknown:
    """The type of `UNKNOWN`, a value that a preview doesn't know. Compare with `is UNKNOWN`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that the engine must keep encrypted."""

    value: Tree

    def __repr__(self) -> str:
        return "Secret(...)"


def decode(struct: struct_pb2.Struct) -> Bag:
    """Convert the properties of a request to Python."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: struct_pb2.Value) -> Tree:
    match value.WhichOneof("kind"):
        case "string_value":
            return UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_decode(item) for item in value.list_value.values]
        case "struct_value":
            return _decode_object(decode(value.struct_value))
        case _:
            return None


def _decode_object(bag: Bag) -> Tree:
    signature = bag.get(_SIGNATURE)
    if signature == _SECRET:
        return Secret(bag.get("value"))
    if signature == _OUTPUT:
        value = bag.get("value", UNKNOWN)
        return Secret(value) if bag.get("secret") else value
    return bag


def encode(bag: Mapping[str, Tree]) -> struct_pb2.Struct:
    """Convert properties for a response. A nested secret doesn't make its container secret."""
    return struct_pb2.Struct(fields={key: _encode(value) for key, value in bag.items()})


def _encode(value: Tree) -> struct_pb2.Value:
    if isinstance(value, Secret):
        return struct_pb2.Value(struct_value=encode({_SIGNATURE: _SECRET, "value": value.value}))
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=encode(value))
    if isinstance(value, list | tuple):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_encode(item) for item in value]))
    return _encode_single(value)


def _encode_single(value: Tree) -> struct_pb2.Value:
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case int() | float():
            return struct_pb2.Value(number_value=float(value))
        case Unknown():
            return struct_pb2.Value(string_value=_UNKNOWN_STRING)
        case str():
            return struct_pb2.Value(string_value=value)
        case _:
            message = f"a property can't be a {type(value).__name__}"
            raise TypeError(message)


def map_values(tree: Tree, change: Callable[[Tree], Tree]) -> Tree:
    """Copy a tree with `change` applied to each value, outer values first. It descends into what `change` returns."""
    changed = change(tree)
    if isinstance(changed, Mapping):
        return {key: map_values(value, change) for key, value in changed.items()}
    if isinstance(changed, list):
        return [map_values(item, change) for item in changed]
    return changed


def reveal(tree: Tree) -> Tree:
    """Copy a tree without its `Secret` marks."""

    def bare(value: Tree) -> Tree:
        while isinstance(value, Secret):
            value = value.value
        return value

    return map_values(tree, bare)


def reveal_bag(bag: Mapping[str, Tree]) -> Bag:
    """Copy the properties of a resource without their `Secret` marks."""
    return cast("Bag", reveal(bag))


def has_unknown(tree: Tree) -> bool:
    """Return whether any value of the tree, at any depth, is unknown."""
    return _contains(tree, Unknown)


def has_secret(tree: Tree) -> bool:
    """Return whether any value of the tree, at any depth, is secret."""
    return _contains(tree, Secret)


def _contains(tree: Tree, kind: type) -> bool:
    if isinstance(tree, kind):
        return True
    if isinstance(tree, Secret):
        return _contains(tree.value, kind)
    if isinstance(tree, Mapping):
        return any(_contains(value, kind) for value in tree.values())
    return isinstance(tree, list) and any(_contains(item, kind) for item in tree)


def mark_like(tree: Tree, model: Tree) -> Tree:
    """Mark in `tree` the keys that are secret in `model`. A list that contains a secret is marked as a whole."""
    if isinstance(tree, Secret):
        return tree
    if isinstance(model, Mapping) and isinstance(tree, Mapping):
        return {key: mark_like(value, model.get(key)) for key, value in tree.items()}
    return Secret(tree) if has_secret(model) else tree
