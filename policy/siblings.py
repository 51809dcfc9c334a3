"""Types that say the same as another one: a rule about that one holds for all of them.

Pulumi's Kubernetes SDK has, beside each kind, one that patches an object (`DeploymentPatch`), one that is a list of
them (`DeploymentList`), and those of older versions and groups (`extensions/v1beta1:Deployment`).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from policy.known import UNKNOWN, Value
from policy.resource import Resource

KUBERNETES: Final = "kubernetes:"
_PATCH: Final = "Patch"
_LIST: Final = "List"
# Where the kinds that have pods were before they had a group of their own.
_FORMER_GROUPS: Final = {"extensions": "apps"}


class Partial(dict[str, Value]):
    """What is known of an object: a member that isn't there is unknown, as somebody else may have set it."""

    def get(self, key: str, default: Value = UNKNOWN) -> Value:
        """Return the member, UNKNOWN where it isn't there."""
        return super().get(key, default)


def judged(resource: Resource) -> Iterator[Resource]:
    """Yield what a rule judges of a resource: each member of a list, and a patch as the object that it changes."""
    if not resource.type.startswith(KUBERNETES):
        yield resource
        return
    type_ = _stable(resource.type)
    members = resource.properties.get("items")
    if type_.endswith(_LIST) and isinstance(members, list):
        for index, member in enumerate(members):
            if isinstance(member, dict):
                one = type_.removesuffix(_LIST)
                yield replace(resource, type=one, properties=member, place=f"items[{index}]: ")
    elif type_.endswith(_PATCH):
        yield replace(resource, type=type_.removesuffix(_PATCH), properties=partial(resource.properties))
    else:
        yield replace(resource, type=type_)


def partial(value: Value) -> Value:
    """Return a value with a `Partial` in the place of each dictionary."""
    if isinstance(value, dict):
        return Partial({key: partial(member) for key, member in value.items()})
    return [partial(member) for member in value] if isinstance(value, list) else value


def _stable(type_: str) -> str:
    """Return a type such as `kubernetes:apps/v1beta2:Deployment` under its first stable version."""
    package, version, kind = [*type_.split(":", 2), "", ""][:3]
    group = version.partition("/")[0]
    return f"{package}:{_FORMER_GROUPS.get(group, group)}/v1:{kind}"
