"""What a rule is: its name, what to change where it is broken, and a function that tells the breaches.

A rule about one resource is judged before that resource is made, in a preview and in an update. A rule about resources
that belong together is judged at the end of a preview, and of an update, when all of them are known.
"""

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass

from pulumi_policy import (
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.known import plain
from policy.resource import Resource
from policy.siblings import judged

Rule = ResourceValidationPolicy | StackValidationPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """All resources of a stack."""

    resources: Collection[PolicyResource]

    def all(self) -> list[Resource]:
        """Return the resources, the components and providers too."""
        return [_resource(each, _sources(each)) for each in self.resources]

    def of(self, *types: str) -> list[Resource]:
        """Return the resources of these types."""
        return [_resource(each, _sources(each)) for each in self.resources if each.resource_type in types]


def each(
    name: str,
    description: str,
    types: Container[str],
    check: Callable[..., Iterable[str]],
    options: PolicyConfigSchema | None = None,
) -> ResourceValidationPolicy:
    """Return the rule that `check` yields no breach for any resource of `types`, nor for any that says the same.

    The rule's `options`, as an environment sets them, are keyword arguments of `check`.
    """

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for resource in judged(_resource(args)):
            if resource.type in types:
                for breach in check(resource, **plain(args.get_config())):
                    report(f"{resource.place}{breach}", None)

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
        provider=plain(given.provider.props) if given.provider else {},
    )


def _sources(given: PolicyResource) -> dict[str, frozenset[str]]:
    return {key: frozenset(each.urn for each in of) for key, of in given.property_dependencies.items()}
