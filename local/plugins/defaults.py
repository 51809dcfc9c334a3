"""The inputs in a state that an official provider filled in because the program left them out.

A provider that is bridged from Terraform lists the names of such inputs beside them, at every depth:
https://github.com/pulumi/pulumi-terraform-bridge/blob/v3.120.0/pkg/tfbridge/schema.go, `applyDefaults`.
"""

from collections.abc import Mapping
from typing import Final

from local.plugins.values import Bag, Tree, reveal_bag

LIST: Final = "__defaults"


def set_by_program(old: Bag, new: Bag) -> Bag:
    """Return the old inputs that the program set, without secret marks.

    An input that the provider filled in is left out, unless the program sets it now.
    """
    before, after = reveal_bag(old), reveal_bag(new)
    filled_in = _names(before)
    return {
        name: _set_by_program(value, after.get(name))
        for name, value in before.items()
        if name != LIST and (name not in filled_in or after.get(name) is not None)
    }


def _set_by_program(old: Tree, new: Tree) -> Tree:
    if isinstance(old, Mapping):
        return set_by_program(dict(old), new if isinstance(new, dict) else {})
    if isinstance(old, list):
        items = new if isinstance(new, list) else []
        return [_set_by_program(item, items[index] if index < len(items) else None) for index, item in enumerate(old)]
    return old


def _names(bag: Bag) -> frozenset[str]:
    names = bag.get(LIST)
    return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()
