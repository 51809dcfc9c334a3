"""The two kinds of rule: about one resource, and about resources that belong together.

The engine judges a rule about one resource before it makes that resource, in a preview and in an update. It judges a
rule about several resources at the end of a preview or an update, when it knows all of them.
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

from policy.kubernetes import judged
from policy.resources import Resource, plain

Rule = ResourceValidationPolicy | StackValidationPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """All resources of a stack."""

    resources: Collection[PolicyResource]

    def all(self) -> list[Resource]:
        """Return all resources, including components and providers."""
        return [_resource(resource, _sources(resource)) for resource in self.resources]

    def of(self, *types: str) -> list[Resource]:
        """Return the resources of these types."""
        return [
            _resource(resource, _sources(resource)) for resource in self.resources if resource.resource_type in types
        ]


def each(
    name: str,
    description: str,
    types: Container[str],
    check: Callable[..., Iterable[str]],
    options: PolicyConfigSchema | None = None,
) -> ResourceValidationPolicy:
    """Return a rule about each resource of `types`, for which `check` yields the breaches.

    It also applies to the patches and lists of these types, see `policy.kubernetes`. `options` is the schema of what an
    environment may set for the rule, which `check` gets as keyword arguments.
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
    """Return a rule about a whole stack, for which `check` yields each breach with its resource.

    `options` works as in `each`.
    """

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for resource, breach in check(Stack(resources=args.resources), **plain(args.get_config())):
            report(breach, resource.urn)

    return StackValidationPolicy(name, description, validate, config_schema=options)


def _resource(
    shown: ResourceValidationArgs | PolicyResource, sources: Mapping[str, frozenset[str]] | None = None
) -> Resource:
    return Resource(
        type=shown.resource_type,
        name=shown.name,
        urn=shown.urn,
        properties=plain(shown.props),
        protect=shown.opts.protect,
        sources=sources or {},
        provider=plain(shown.provider.props) if shown.provider else {},
    )


def _sources(resource: PolicyResource) -> dict[str, frozenset[str]]:
    return {key: frozenset(source.urn for source in of) for key, of in resource.property_dependencies.items()}
