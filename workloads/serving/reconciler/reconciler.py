"""Turn after turn: look at the cluster and at MLflow, decide for each model, and carry the steps out."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

import contracts
from aegis.errors import NotVerifiedError
from aegis.strict import load_json
from workloads import messages
from workloads.cli import WorkloadError
from workloads.registry.decisions.chain import Mark
from workloads.serving.reconciler import demands as wants
from workloads.serving.reconciler import registry as registries
from workloads.serving.reconciler.cluster import ERRORS, Cluster, NotLeadingError
from workloads.serving.reconciler.demands import Demand, Demands
from workloads.serving.reconciler.ledger import RolloutLedger
from workloads.serving.reconciler.metrics import Metrics
from workloads.serving.reconciler.registry import Question, Registry, View
from workloads.serving.reconciler.scraping import scrape
from workloads.serving.rollout import names, objects
from workloads.serving.rollout.machine import decide
from workloads.serving.rollout.memory import Draft, Memory
from workloads.serving.rollout.objects import Servers
from workloads.serving.rollout.observation import observe, owners
from workloads.serving.rollout.plan import (
    Deliver,
    Discard,
    Open,
    Plan,
    Remove,
    RemoveDelivery,
    RemoveModel,
    Route,
    Serve,
    Status,
    Step,
)
from workloads.serving.rollout.pods import Object
from workloads.serving.rollout.site import Site
from workloads.serving.rollout.situation import Limits, Observed, Situation, Verdict, Version
from workloads.serving.wanted import Wanted

# Seconds for which MLflow's last answer counts, between questions, and between two hints that are followed.
_VIEW_LASTS: Final = 30.0
_LOOK_EVERY: Final = 2.0
_HINT_EVERY: Final = 1.0
# Seconds between attempts after a failure: of Vault or the object store, and of a model's turn, doubled each time.
_RECORD_RETRY: Final = 5.0
_FIRST_BACKOFF: Final = 1.0
_LONGEST_BACKOFF: Final = 60.0
# A delivery gets twice the time of the one before that failed, up to 10 hours: the largest versions take long.
_MOST_DOUBLINGS: Final = 6
# Seconds after which an object that should be as we made it is made so again.
_APPLY_EVERY: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """All that was read in one turn. `holders` are, by DNS label, the models that may use the objects with it."""

    observed: Mapping[str, Observed]
    memories: Mapping[str, Memory]
    demands: Demands
    holds: Mapping[str, tuple[str, str]]
    holders: Mapping[str, str]

    @property
    def models(self) -> list[str]:
        """The models of which something is known or wanted."""
        return sorted({*self.demands.of, *self.demands.problems, *self.memories})

    def holder(self, model: str) -> str:
        """Return the model whose the objects are that would be of `model`: itself, unless two share a label."""
        return self.holders.get(names.label(model), model)


@dataclass
class _Backoff:
    wait: float = _FIRST_BACKOFF
    until: float = float("-inf")


@dataclass(frozen=True, kw_only=True)
class _Unwritten:
    """Why a model's record could not be written, and when it is tried again."""

    reason: str
    until: float


@dataclass(kw_only=True)
class Reconciler:
    """The state between turns is only what saves work: all of it can be lost.

    `clock` returns seconds since 1970, and `ticks` seconds that never go back.
    """

    cluster: Cluster
    registry: Registry
    ledger: RolloutLedger
    site: Site
    http: httpx.AsyncClient
    clock: Callable[[], float]
    ticks: Callable[[], float]
    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _view: View | None = None
    _viewed_at: float = float("-inf")
    _silence: str = "MLflow was not asked yet"
    _looking: asyncio.Task[None] | None = None
    _asked_at: float = float("-inf")
    _hinted_at: float = float("-inf")
    _writing: dict[str, asyncio.Task[Mark]] = field(default_factory=dict)
    _drafts: dict[str, Draft] = field(default_factory=dict)
    _unwritten: dict[str, _Unwritten] = field(default_factory=dict)
    _backoffs: dict[str, _Backoff] = field(default_factory=dict)
    _applied: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
    _told: dict[str, tuple[Status, Memory]] = field(default_factory=dict)

    async def turn(self, *, leads: bool) -> bool:
        """Take one turn; return whether something is under way, so that the next turn should be soon.

        A process that doesn't lead only reads what it tells.

        Raises:
            ApiError, HTTPError: The API server refuses or doesn't answer.
        """
        self.metrics.leads(leads=leads)
        picture = await self._picture()
        if not leads:
            self._applied.clear()
            self._told.clear()
            # Another process tells what it knows, and what this one knew would be told beside it for good.
            self.metrics.told(())
            return False
        self._look(picture)
        models = picture.models
        took = await asyncio.gather(*(self._model(model, picture) for model in models))
        self._told = {model: told for model, told in self._told.items() if model in models}
        self.metrics.told(self._told.values())
        return any(took_turn and self._is_busy(model) for model, took_turn in zip(models, took, strict=True))

    def _is_busy(self, model: str) -> bool:
        status, memory = self._told.get(model, (None, None))
        return bool(status and memory and (status.state == "rolling" or memory.pending))

    async def settle(self) -> None:
        """Wait for what runs in threads: the question to MLflow and the records."""
        running = [task for task in (self._looking, *self._writing.values()) if task and not task.done()]
        if running:
            await asyncio.wait(running)

    def hint(self) -> None:
        """Ask MLflow again at once: something may have changed.

        A hint within a second of another is left to the next question, so that any number of them costs little.
        """
        if self.ticks() - self._hinted_at < _HINT_EVERY:
            return
        self._hinted_at = self.ticks()
        self._asked_at = float("-inf")
        self.wake.set()

    async def _picture(self) -> Picture:
        everything, wanted, held, states = await asyncio.gather(
            self.cluster.objects(),
            self.cluster.config_maps(contracts.WANTED_LABEL),
            self.cluster.config_maps(names.HOLD),
            self.cluster.config_maps(names.STATE),
        )
        memories: dict[str, Memory] = {}
        for each in states:
            if memory := _memory(each):
                memories[memory.model] = memory
        self._tell(states)
        view = self._view if self._view and self._is_fresh() else None
        demands = wants.collect(wanted, view and view.tags, memories, view.unsure if view else ())
        return Picture(
            observed=observe(everything),
            memories=memories,
            demands=demands,
            holds=wants.holds(held),
            holders=_holders(demands, memories, owners(everything)),
        )

    def _tell(self, states: Sequence[Object]) -> None:
        self.statuses = {each["metadata"]["name"]: status for each in states if (status := _status(each))}

    def _is_fresh(self) -> bool:
        return self.ticks() - self._viewed_at < _VIEW_LASTS

    def _look(self, picture: Picture) -> None:
        """Ask MLflow in a thread, unless it was asked just now or hasn't answered yet."""
        questions = {model: _question(model, demand, picture) for model, demand in picture.demands.of.items()}
        changed = self._view is None or any(
            model not in self._view.answers or self._view.answers[model].question != each
            for model, each in questions.items()
        )
        if self._looking and not self._looking.done():
            return
        if changed or self.ticks() - self._asked_at >= _LOOK_EVERY:
            self._asked_at = self.ticks()
            self._looking = asyncio.create_task(self._ask(questions))

    async def _ask(self, questions: Mapping[str, Question]) -> None:
        asked_at = self.ticks()
        try:
            self._view = await asyncio.to_thread(self.registry.look, questions)
            self._viewed_at = asked_at
        except Exception as error:  # noqa: BLE001 - whatever MLflow does, what is served is served on
            self._silence = registries.silent(error)
        self.wake.set()

    def _answer(self, model: str, question: Question) -> tuple[Verdict, Verdict]:
        """Return the verdicts about the wanted and the served version, if MLflow's answer is to this question."""
        answer = self._view.answers.get(model) if self._view else None
        if answer is None or not self._is_fresh():
            unknown = Verdict(
                finding="unknown", reason=self._silence if self._view is None or answer else "it is looked up"
            )
            return unknown, unknown
        if answer.question != question:
            same = replace(answer.question, served=question.served) == question
            unknown = Verdict(finding="unknown", reason="it is looked up")
            return (answer.wanted if same else unknown), unknown
        return answer.wanted, answer.served

    async def _model(self, model: str, picture: Picture) -> bool:
        """Take one turn for a model, and return whether it was; a failure is tried again later."""
        memory = picture.memories.get(model, Memory(model=model))
        backoff = self._backoffs.setdefault(model, _Backoff())
        if self.ticks() < backoff.until:
            return False
        try:
            await self._one_turn(model, picture, memory)
        except NotLeadingError:
            return False
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one model, the others go on
            backoff.wait = min(2 * backoff.wait, _LONGEST_BACKOFF)
            backoff.until = self.ticks() + backoff.wait
            self.metrics.failed(model)
            expected = isinstance(error, (*ERRORS, WorkloadError))
            reason = messages.plain(f"{error}" if expected else f"{type(error).__name__}: {error}")
            _log.warning(
                "%s: tried again in %.0f s: %s", model, backoff.wait, reason, exc_info=None if expected else error
            )
            return False
        self._backoffs.pop(model, None)
        return True

    async def _one_turn(self, model: str, picture: Picture, memory: Memory) -> None:
        stored = memory
        memory = self._with_records(memory)
        situation = await self._situation(model, picture, memory)
        self._forget_changed(model, situation)
        plan = self._plan(situation, picture.holder(model), picture.demands.problems.get(model))
        if plan.status:
            # Before the steps: alerts on what isn't as it should be must see a model whose steps fail.
            self._told[model] = (plan.status, plan.memory)
        else:
            self._told.pop(model, None)
        if plan.finished:
            await self.cluster.forget(names.state(model))
            self.statuses.pop(names.state(model), None)
            return
        await self._remember(stored, plan)
        self.metrics.took(memory, plan.memory)
        for step in plan.steps:
            await self._do(step, model, plan)
        self._write_next(plan.memory)

    async def _situation(self, model: str, picture: Picture, memory: Memory) -> Situation:
        demand = picture.demands.of.get(model)
        observed = picture.observed.get(names.label(model)) if picture.holder(model) == model else None
        unknown = Verdict(finding="unknown")
        verdicts = self._answer(model, _question(model, demand, picture)) if demand else (unknown, unknown)
        tries = memory.target is not None and demand is not None and demand.wanted.canary is not None
        return Situation(
            wanted=demand.wanted if demand else None,
            source=demand.source if demand else None,
            asked=demand.asked if demand else None,
            verdict=verdicts[0],
            served_verdict=verdicts[1],
            observed=observed or Observed(),
            memory=memory,
            figures=await scrape(self.http, observed) if tries and observed else {},
            now=self.clock(),
            limits=self.limits,
        )

    def _plan(self, situation: Situation, holder: str, problem: str | None) -> Plan:
        """Decide, unless the model's objects would be another's, or nothing is known but what is wrong with its tag."""
        memory = situation.memory
        if situation.wanted is not None and holder != memory.model:
            problem = f"its objects would have the names of those of {holder!r}: register it under another name"
            return _refused(situation, problem)
        plan = decide(situation)
        return _refused(situation, problem) if plan.finished and problem else self._explained(plan, problem)

    def _explained(self, plan: Plan, problem: str | None) -> Plan:
        """Add what is wrong with the demand or with the records to what is told."""
        if plan.status is None:
            return plan
        status = plan.status
        if problem:
            status = replace(status, reason=f"{problem} What was wanted before is served on.")
        elif plan.memory.pending and (failure := self._unwritten.get(plan.memory.model)):
            said = plan.memory.unwritten
            others = f"{status.reason}; " if status.reason not in ("", said) else ""
            status = replace(status, reason=f"{others}{said}: {failure.reason}")
        return replace(plan, status=status)

    def _with_records(self, memory: Memory) -> Memory:
        """Return the memory with the record that was written meanwhile."""
        task, draft = self._writing.get(memory.model), self._drafts.get(memory.model)
        if task is None or not task.done():
            return memory
        del self._writing[memory.model]
        try:
            mark = task.result()
        except Exception as error:  # noqa: BLE001 - whatever the signer or the store does, the step waits for its record
            expected = isinstance(error, WorkloadError | NotVerifiedError)
            reason = f"{error}" if expected else f"{type(error).__name__}: {error}"
            self._note_unwritten(memory.model, messages.plain(reason))
            return memory
        if self._unwritten.pop(memory.model, None):
            _log.warning("%s: its records are written again", memory.model)
        pending = tuple(each for each in memory.pending if each != draft)
        return replace(memory, pending=pending, head=(mark.number, mark.sha256))

    def _note_unwritten(self, model: str, reason: str) -> None:
        """Try again later. The log has each reason once: a record that is missing may be so for days."""
        before = self._unwritten.get(model)
        if before is None or before.reason != reason:
            _log.warning("%s: no record: %s", model, reason)
        self._unwritten[model] = _Unwritten(reason=reason, until=self.ticks() + _RECORD_RETRY)

    def _write_next(self, memory: Memory) -> None:
        """Write the next record in a thread; a model's records are written one after the other."""
        failure = self._unwritten.get(memory.model)
        if not memory.pending or memory.model in self._writing or (failure and self.ticks() < failure.until):
            return
        draft = memory.pending[0]
        known = Mark(number=memory.head[0], sha256=memory.head[1]) if memory.head else None
        task = asyncio.create_task(asyncio.to_thread(self.ledger.write, memory.model, draft, known))
        task.add_done_callback(lambda _: self.wake.set())
        self._writing[memory.model], self._drafts[memory.model] = task, draft

    async def _remember(self, stored: Memory, plan: Plan) -> None:
        """Store what must survive a restart, and what is told, before the steps."""
        name, memory = names.state(stored.model), plan.memory
        status = plan.status.to_json(self.site.namespace) if plan.status else None
        if memory == stored and self.statuses.get(name) == status:
            return
        labels = {**names.MANAGED_BY, names.STATE: "true", names.MODEL: names.label(memory.model)}
        data = {names.MEMORY_KEY: memory.to_text()} | ({names.STATUS_KEY: json.dumps(status)} if status else {})
        await self.cluster.apply(objects.config_map(self.site.namespace, name, labels, data))
        if status:
            self.statuses[name] = status

    async def _do(self, step: Step, model: str, plan: Plan) -> None:
        site = self.site
        match step:
            case Deliver(version):
                if site.delivery == "volume":
                    await self.cluster.apply(objects.volume(site, model, version))
                seconds = self.limits.delivery * 2 ** min(plan.memory.failures, _MOST_DOUBLINGS)
                await self.cluster.apply(objects.delivery(site, model, version, seconds))
            case Serve(version):
                await self._serve(step, model, plan)
                await self._keep(objects.disruption_budget(site, model, version))
            case Route(to):
                await self.cluster.apply(objects.service(site, model, to))
            case Open(pods):
                await _each(self.cluster.open, pods)
            case Remove(version):
                await self.cluster.remove_servers(model, version)
                self._applied.clear()
            case RemoveDelivery(version):
                await self.cluster.remove_delivery(model, version)
            case Discard(version):
                await self.cluster.discard(model, version)
            case RemoveModel():
                await self._remove(model)

    async def _serve(self, step: Serve, model: str, plan: Plan) -> None:
        memory = plan.memory
        servers = Servers(
            model=model,
            version=step.version,
            resources=Wanted.from_json(memory.wanted).resources,
            replicas=step.replicas,
            track=step.track,
            start=self.limits.start,
            image=memory.images.get(step.version),
            content=memory.contents.get(step.version) or None,
            percent=plan.status.canary_percent if plan.status else None,
        )
        await self._keep(objects.servers(self.site, servers))

    async def _keep(self, wanted: Object) -> None:
        """Apply an object if it differs from what was applied last, and now and then to undo others' changes."""
        key, text = (wanted["kind"], wanted["metadata"]["name"]), json.dumps(wanted, sort_keys=True)
        before = self._applied.get(key)
        if before and before[0] == text and self.ticks() - before[1] < _APPLY_EVERY:
            return
        await self.cluster.apply(wanted)
        self._applied[key] = (text, self.ticks())

    def _forget_changed(self, model: str, situation: Situation) -> None:
        """Apply servers again that somebody else removed or scaled."""
        for version in (situation.memory.served, situation.memory.target):
            seen = situation.observed.versions.get(version or "", Version())
            if version and situation.wanted and seen.replicas != situation.wanted.replicas:
                name = names.server(model, version)
                self._applied = {key: each for key, each in self._applied.items() if key[1] != name}

    async def _remove(self, model: str) -> None:
        await self.cluster.remove_service(model)
        for version in await self.cluster.versions(model):
            await self.cluster.remove_servers(model, version)
            await self.cluster.discard(model, version)
        self._applied.clear()


def _question(model: str, demand: Demand | None, picture: Picture) -> Question:
    memory = picture.memories.get(model)
    return Question(
        alias=demand.wanted.alias if demand else None,
        version=demand.wanted.version if demand else None,
        held=picture.holds.get(model),
        served=memory.served if memory else None,
        tagged=demand is not None and demand.source == wants.TAG_SOURCE,
    )


def _holders(demands: Demands, memories: Mapping[str, Memory], owners: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Return by DNS label the model that may use it: the one whose objects are there, else the one that came first."""
    known = sorted({*demands.of, *memories}, key=lambda model: (_is_new(memories.get(model)), model))
    first = {names.label(model): model for model in reversed(known)}
    return first | {label: min(models) for label, models in owners.items()}


def _is_new(memory: Memory | None) -> bool:
    return memory is None or memory.wanted is None


def _refused(situation: Situation, reason: str) -> Plan:
    """Return the plan for a model of which nothing is done."""
    wanted, memory = situation.wanted, situation.memory
    status = Status(
        model=memory.model,
        wanted=wanted.reference if wanted else "",
        wanted_version=wanted.version if wanted else None,
        served_version=None,
        state="refused",
        reason=reason,
        canary_percent=0,
        replicas=wanted.replicas if wanted else 0,
        ready=0,
        source=situation.source or wants.TAG_SOURCE,
        since=0,
        verified=False,
        request=f"{wanted.digest} {situation.asked or ''}".strip() if wanted else "",
    )
    return Plan(memory=memory, status=status)


def _status(each: Object) -> dict[str, Any] | None:
    """Return what was told of a model, or None if it can't be read: it is told anew then."""
    text = (each.get("data") or {}).get(names.STATUS_KEY, "null")
    try:
        status = load_json(text)
    except ValueError:
        return None
    return status if isinstance(status, dict) and isinstance(status.get("model"), str) else None


def _memory(each: Object) -> Memory | None:
    text = (each.get("data") or {}).get(names.MEMORY_KEY, "")
    name = each["metadata"]["name"]
    try:
        memory = Memory.parse(text)
    except ValueError as error:
        _log.error("the ConfigMap %s is not read: %s", name, error)
        return None
    if name != names.state(memory.model):
        _log.error("the ConfigMap %s is not read: that of %r is %s", name, memory.model, names.state(memory.model))
        return None
    return memory


async def _each(action: Callable[[str], Awaitable[None]], these: Sequence[str]) -> None:
    for each in these:
        await action(each)
