"""What a rule is: its name, what to change where it is broken, and a function that tells the breaches.

A rule about one resource is judged before that resource is made, in a preview and in an update. A rule about resources
that belong together is judged at the end of a preview, and of an update, when all of them are known.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import (
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from infra.policy.known import UNKNOWN, Value, dig, plain

Rule = ResourceValidationPolicy | StackValidationPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """A resource: its properties in wire names, and which resources each property comes from, where that is told."""

    type: str
    name: str
    urn: str
    properties: dict[str, Any]
    protect: bool
    sources: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def get(self, *path: str) -> Value:
        """Return the property at `path`, as `known.dig` does."""
        return dig(self.properties, *path)

    def refers_to(self, other: "Resource", property_: str, *identities: str) -> bool:
        """Tell whether a property is one of the `identities` of `other`.

        One that is unknown is made from what `sources` tells; where that is nothing, it may be of any resource.
        """
        value = self.get(property_)
        sources = self.sources.get(property_, ())
        if value is UNKNOWN:
            return other.urn in sources or not sources
        known = [other.get(identity) for identity in identities if other.get(identity) not in (None, UNKNOWN)]
        return value in known or (not known and other.urn in sources)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """All resources of a stack."""

    resources: Collection[PolicyResource]

    def of(self, *types: str) -> list[Resource]:
        """Return the resources of these types."""
        return [_resource(each, _sources(each)) for each in self.resources if each.resource_type in types]


def each(
    name: str,
    description: str,
    types: Collection[str],
    check: Callable[..., Iterable[str]],
    options: PolicyConfigSchema | None = None,
) -> ResourceValidationPolicy:
    """Return the rule that `check` yields no breach for any resource of `types`.

    The rule's `options`, as an environment sets them, are keyword arguments of `check`.
    """

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type in types:
            for breach in check(_resource(args), **plain(args.get_config())):
                report(breach, None)

    return ResourceValidationPolicy(name, description, validate, config_schema=options)


def together(
    name: str,
    description: str,
    check: Callable[..., Iterable[tuple[Resource, str]]],
    options: PolicyConfigSchema | None = None,
) -> StackValidationPolicy:
    """Return the rule that `check` yields no breach, and by which resource, for the stack; `options` as in `each`."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for resource, breach in check(Stack(resources=args.resources), **plain(args.get_config())):
            report(breach, resource.urn)

    return StackValidationPolicy(name, description, validate, config_schema=options)


def _resource(
    given: ResourceValidationArgs | PolicyResource, sources: Mapping[str, frozenset[str]] | None = None
) -> Resource:
    return Resource(
        type=given.resource_type,
        name=given.name,
        urn=given.urn,
        properties=plain(given.props),
        protect=given.opts.protect,
        sources=sources or {},
    )


def _sources(given: PolicyResource) -> dict[str, frozenset[str]]:
    return {key: frozenset(each.urn for each in of) for key, of in given.property_dependencies.items()}
