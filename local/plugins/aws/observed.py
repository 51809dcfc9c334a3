"""The inputs of a resource as AWS shows them: what a refresh puts into the state, and the next update puts right."""

from collections.abc import Mapping

from local.plugins.aws.kind import Kind
from local.plugins.diffs import compare
from local.plugins.values import Bag, Tree


def observed(kind: Kind, found: Bag, known: Bag | None) -> Bag:
    """Return all inputs of an import; else those that the program gave, and defaults that hold no more.

    A value that means the same to AWS stays as the program wrote it.
    """
    readable = kind.fields.inputs - kind.fields.write_only
    if known is None:
        return {name: found[name] for name in sorted(readable) if found.get(name) not in (None, {}, [])}
    known = {name: value for name, value in known.items() if value is not None}
    defaults = kind.fields.defaults
    left = {name: found[name] for name in sorted((readable & defaults.keys() & found.keys()) - known.keys())}
    now = {name: _seen(kind, name, value, found) for name, value in known.items()}
    now |= {name: value for name, value in left.items() if value is not None and value != defaults[name]}
    return {name: value for name, value in now.items() if value is not None}


def _seen(kind: Kind, name: str, known: Tree, found: Bag) -> Tree:
    if name not in found or name in kind.fields.write_only:
        return known
    value = found[name] if name in kind.fields.sets else _cut(name, found[name], known)
    old, new = kind.normal({name: known}), kind.normal({name: value})
    return known if not compare(old, new, kind.same) else value


def _cut(name: str, found: Tree, known: Tree) -> Tree:
    """Return what was found without what AWS adds to objects; maps of the user's own keys stay whole."""
    if name == "tags":
        return found
    if isinstance(known, Mapping):
        if not known:
            # An empty object, such as a filter that matches all, comes back empty, as none, or spelled out.
            return known
        if isinstance(found, Mapping):
            return {key: _cut(key, found.get(key), value) for key, value in known.items()}
    if isinstance(known, list) and isinstance(found, list):
        shared = [_cut("", new, old) for new, old in zip(found, known, strict=False)]
        return shared + found[len(known) :]
    return found
