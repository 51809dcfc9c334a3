"""What an official provider has filled into the inputs of a state, where the program gave nothing.

A provider that comes from Terraform lists the names of such inputs beside them, at every depth:
https://github.com/pulumi/pulumi-terraform-bridge/blob/v3.120.0/pkg/tfbridge/schema.go, `applyDefaults`.
"""

from collections.abc import Mapping
from typing import Final

from local.plugins.values import Bag, Tree, reveal_bag

LIST: Final = "__defaults"


def given(old: Bag, new: Bag) -> Bag:
    """Return the old inputs, bare, as the program gave them: without what was filled in and isn't given now either."""
    bare, now = reveal_bag(old), reveal_bag(new)
    filled = _names(bare)
    return {
        name: _given(value, now.get(name))
        for name, value in bare.items()
        if name != LIST and (name not in filled or now.get(name) is not None)
    }


def _given(old: Tree, new: Tree) -> Tree:
    if isinstance(old, Mapping):
        return given(dict(old), new if isinstance(new, dict) else {})
    if isinstance(old, list):
        beside = new if isinstance(new, list) else []
        return [_given(item, beside[index] if index < len(beside) else None) for index, item in enumerate(old)]
    return old


def _names(bag: Bag) -> frozenset[str]:
    names = bag.get(LIST)
    return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()
