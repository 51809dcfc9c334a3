"""Which models are wanted, from all sources: the stack wins over the command line, and that over MLflow's tags."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import contracts
from workloads.cli import WorkloadError
from workloads.serving import wanted as wants
from workloads.serving.rollout import names
from workloads.serving.rollout.memory import Memory
from workloads.serving.rollout.pods import Object
from workloads.serving.wanted import Wanted

TAG_SOURCE: Final = "tag"
HELD_FROM: Final = "from"
HELD_TO: Final = "to"
HELD_MODEL: Final = "model"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """A wanted model, who wants it, and when somebody asked for it again."""

    wanted: Wanted
    source: str
    asked: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Demands:
    """The wanted models by name, and what is wrong with the demands that can't be read."""

    of: Mapping[str, Demand] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def collect(
    config_maps: Sequence[Object],
    tags: Mapping[str, str] | None,
    memories: Mapping[str, Memory],
    unsure: Collection[str] = (),
) -> Demands:
    """Return what is wanted; without `tags`, because MLflow can't be asked, the tags that were read last count.

    They also count of the models that are `unsure`.
    What was wanted last is wanted on while a demand can't be read.
    """
    found: dict[str, Demand] = {}
    problems: dict[str, str] = {}
    remembered = {model: memory for model, memory in memories.items() if memory.wanted is not None}
    for model, text in (tags or {}).items():
        try:
            found[model] = Demand(wanted=wants.parse_tag(model, text), source=TAG_SOURCE)
        except WorkloadError as error:
            problems[model] = str(error)
    for model, memory in remembered.items():
        if memory.source == TAG_SOURCE and (tags is None or model in problems or model in unsure):
            found[model] = _remembered(memory)
    sources = {contracts.CLI_SOURCE: 1, contracts.STACK_SOURCE: 2}
    read = [(each, *_read(each)) for each in config_maps]
    # What can be read wins over what is remembered of the same source.
    for each, wanted, problem in sorted(read, key=lambda one: (sources.get(_source(one[0]), 0), one[1] is not None)):
        if wanted is None:
            for model in _meant(each, remembered):
                found[model], problems[model] = _remembered(remembered[model]), problem
        else:
            asked = _annotations(each).get(names.ASKED)
            found[wanted.model] = Demand(wanted=wanted, source=_source(each), asked=asked)
            problems.pop(wanted.model, None)
    return Demands(of=found, problems=problems)


def _read(each: Object) -> tuple[Wanted | None, str]:
    """Return what a ConfigMap wants, or None and why it can't be read."""
    try:
        return wants.parse((each.get("data") or {}).get(contracts.WANTED_KEY, "")), ""
    except WorkloadError as error:
        _log.error("the ConfigMap %s is not read: %s", each["metadata"]["name"], error)
        return None, str(error)


def _meant(each: Object, remembered: Mapping[str, Memory]) -> Sequence[str]:
    """Return the models that a ConfigMap that can't be read may be about, of those that its source wanted last."""
    named = _annotations(each).get(names.MODEL_NAME)
    if named is not None:
        return [named] if named in remembered else []
    return [model for model, memory in remembered.items() if memory.source == _source(each)]


def holds(config_maps: Sequence[Object]) -> dict[str, tuple[str, str]]:
    """Return by model the version that was taken back by hand, and the one that is served instead."""
    found = {}
    for each in config_maps:
        data = each.get("data") or {}
        if HELD_MODEL in data and HELD_FROM in data and HELD_TO in data:
            found[data[HELD_MODEL]] = (data[HELD_FROM], data[HELD_TO])
    return found


def _remembered(memory: Memory) -> Demand:
    return Demand(wanted=Wanted.from_json(memory.wanted), source=memory.source or TAG_SOURCE, asked=memory.asked)


def _source(each: Object) -> str:
    return (each["metadata"].get("labels") or {}).get(contracts.SOURCE_LABEL, contracts.CLI_SOURCE)


def _annotations(each: Object) -> Mapping[str, str]:
    return each["metadata"].get("annotations") or {}
