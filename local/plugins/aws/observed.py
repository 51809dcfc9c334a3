"""The inputs of a resource as AWS reports them. A refresh stores them, and the next update corrects them."""

from collections.abc import Mapping

from local.plugins.aws.kind import Kind
from local.plugins.diffs import compare
from local.plugins.values import Bag, Tree


def observed(kind: Kind, found: Bag, program_inputs: Bag | None) -> Bag:
    """Return the inputs that the program set, plus those that no longer have their default; for an import, all inputs.

    `program_inputs` is None for an import. A value with the same meaning stays as the program wrote it.
    """
    readable = kind.fields.inputs - kind.fields.write_only
    if program_inputs is None:
        return {name: found[name] for name in sorted(readable) if found.get(name) not in (None, {}, [])}
    program_inputs = {name: value for name, value in program_inputs.items() if value is not None}
    defaults = kind.fields.defaults
    defaulted = {
        name: found[name] for name in sorted((readable & defaults.keys() & found.keys()) - program_inputs.keys())
    }
    inputs = {name: _seen(kind, name, value, found) for name, value in program_inputs.items()}
    inputs |= {name: value for name, value in defaulted.items() if value is not None and value != defaults[name]}
    return {name: value for name, value in inputs.items() if value is not None}


def _seen(kind: Kind, name: str, program_value: Tree, found: Bag) -> Tree:
    if name not in found or name in kind.fields.write_only:
        return program_value
    value = found[name] if name in kind.fields.sets else _cut(name, found[name], program_value)
    old, new = kind.normal({name: program_value}), kind.normal({name: value})
    return program_value if not compare(old, new, kind.same) else value


def _cut(name: str, found: Tree, program_value: Tree) -> Tree:
    """Return what AWS reports without the keys that it adds to objects. Tags, whose keys are the user's, stay whole."""
    if name == "tags":
        return found
    if isinstance(program_value, Mapping):
        if not program_value:
            # AWS returns an empty object, such as a filter that matches everything, as empty, missing or spelled out.
            return program_value
        if isinstance(found, Mapping):
            return {key: _cut(key, found.get(key), value) for key, value in program_value.items()}
    if isinstance(program_value, list) and isinstance(found, list):
        shared = [_cut("", new, old) for new, old in zip(found, program_value, strict=False)]
        return shared + found[len(program_value) :]
    return found
