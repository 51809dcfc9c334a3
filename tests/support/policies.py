"""The rules of the policy pack, run on resources as the engine runs them, but without an engine."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pulumi_policy import (
    PolicyCustomTimeouts,
    PolicyProviderResource,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
)
from pulumi_policy.proxy import unknown_checking_proxy

from policy.rules import RULES
from tests.support.engine import Graph

# A policy file: by rule, its level, or an object with its level and options.
Config = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A resource as the engine shows it to rules: its inputs at first, its outputs at the end."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    protect: bool = False
    sources: Mapping[str, Iterable[str]] = field(default_factory=dict)
    urn: str = ""
    # The properties of its provider.
    provider: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Breach:
    """A breach of a rule by a resource."""

    rule: str
    resource: str
    text: str


def of_graph(graph: Graph) -> list[Judged]:
    """Return the resources that a program registered, for `breaches`."""
    providers = {each.urn: each.inputs for each in graph.resources}
    return [
        Judged(
            type=each.type,
            name=each.name,
            inputs=each.inputs,
            outputs=each.outputs,
            protect=each.protect,
            sources=each.sources,
            urn=each.urn,
            provider=providers.get(each.provider, {}),
        )
        for each in graph.resources
    ]


def breaches(resources: Iterable[Judged], config: Config | None = None) -> list[Breach]:
    """Return the breaches of all rules; `config` is an environment's policy file."""
    judged = list(resources)
    found: list[Breach] = []
    for rule in RULES:
        level, options = _configured((config or {}).get(rule.name, "mandatory"))
        if level == "disabled":
            continue
        if isinstance(rule, ResourceValidationPolicy):
            for each in judged:
                rule.validate(_alone(each, options), partial(_note, found, rule.name, each.name))
        else:
            rule.validate(StackValidationArgs(_together(judged), options), partial(_note, found, rule.name, ""))
    return found


def takes_tags(type_: str) -> bool:
    """Return whether an AWS type, such as `aws:s3/bucket:Bucket`, has tags in the SDK."""
    _, module, name = type_.split(":")
    return hasattr(getattr(importlib.import_module(f"pulumi_aws.{module.split('/')[0]}"), name), "tags")


def _configured(entry: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    return entry.get("enforcementLevel", "mandatory"), {k: v for k, v in entry.items() if k != "enforcementLevel"}


def _note(found: list[Breach], rule: str, resource: str, text: str, urn: str | None = None) -> None:
    found.append(Breach(rule=rule, resource=resource or (urn or "").rpartition("::")[2], text=text))


def _alone(each: Judged, options: dict[str, Any]) -> ResourceValidationArgs:
    return ResourceValidationArgs(
        each.type, _shown(each.inputs), each.urn, each.name, _options(each), _provider(each), options
    )


def _together(judged: list[Judged]) -> list[PolicyResource]:
    shown = {
        each.urn: PolicyResource(
            each.type, _shown(each.outputs), each.urn, each.name, _options(each), _provider(each), None, [], {}
        )
        for each in judged
    }
    for each in judged:
        shown[each.urn].property_dependencies = {
            key: [shown[urn] for urn in urns if urn in shown] for key, urns in each.sources.items()
        }
    return list(shown.values())


def _provider(each: Judged) -> PolicyProviderResource:
    return PolicyProviderResource("pulumi:providers:x", _shown(each.provider), "", "")


def _shown(properties: Mapping[str, Any]) -> dict[str, Any]:
    # As in a preview, reading an unknown value raises an error.
    return unknown_checking_proxy(dict(properties))


def _options(each: Judged) -> PolicyResourceOptions:
    return PolicyResourceOptions(each.protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
