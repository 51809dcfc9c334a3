"""The differences between old and new inputs of an object, and whether they require a replacement."""

from local.plugins.diffs import compare as compare_trees
from local.plugins.diffs import without
from local.plugins.kubernetes import immutable, objects
from local.plugins.kubernetes.client import Object
from local.plugins.kubernetes.empties import left_out
from local.plugins.kubernetes.inputs import comparable, same
from local.plugins.kubernetes.settings import Settings
from local.plugins.paths import Path, touches
from local.plugins.provider import Change, Diff

_UNREADY: Path = ("metadata", "annotations", objects.REPLACE_UNREADY)


def compare(
    old: Object, new: Object, ignored: tuple[Path, ...], settings: Settings, *, replace_anyway: bool = False
) -> Diff:
    """Compare complete inputs. With `replace_anyway`, replace the object even if nothing changes."""
    changes = without(compare_trees(_canonical(old), _canonical(new), same), ignored)
    forced = immutable.places(new, settings)
    replaces = {path for path in changes if any(touches(place, path) for place in forced)}
    if replace_anyway:
        changes[_UNREADY] = Change.UPDATE
        replaces.add(_UNREADY)
    return Diff(
        changes=changes,
        replaces=frozenset(replaces),
        delete_before_replace=bool(replaces) and _same_fixed_name(old, new),
    )


def _canonical(inputs: Object) -> Object:
    meta = inputs.get("metadata")
    if isinstance(meta, dict) and meta.get("namespace") == "default":
        inputs = inputs | {"metadata": {key: value for key, value in meta.items() if key != "namespace"}}
    return left_out(comparable(inputs))


def _same_fixed_name(old: Object, new: Object) -> bool:
    """Return whether the new object would have the same fixed name as the old one."""
    return (
        bool(objects.name(new))
        and not objects.annotated(new, objects.AUTONAMED)
        and objects.identity(old) == objects.identity(new)
    )
