"""A cluster in memory that carries out the plans for one served model, with a clock that tests move."""

from dataclasses import dataclass, field, replace

from workloads.serving.rollout.figures import Figures
from workloads.serving.rollout.machine import decide
from workloads.serving.rollout.memory import Draft, Memory
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
from workloads.serving.rollout.situation import CANARY_ROUTE, Limits, Observed, Pod, Situation, Verdict, Version
from workloads.serving.wanted import Wanted


def verified(version: str) -> Verdict:
    return Verdict(finding="verified", version=version, content_sha256=version * 64)


@dataclass(kw_only=True)
class World:
    """`undelivered` and `unready` name versions whose deliveries or servers don't come to an end.

    `figures` are of all servers of a version together, of which the first one answers all requests; `unread` names the
    pods whose figures can't be read.
    """

    wanted: Wanted | None = field(default_factory=lambda: Wanted(model="digits", alias="champion"))
    verdict: Verdict = field(default_factory=lambda: verified("1"))
    served_verdict: Verdict = field(default_factory=lambda: verified("1"))
    asked: str | None = None
    limits: Limits = field(default_factory=Limits)
    now: float = 1000
    memory: Memory = field(default_factory=lambda: Memory(model="digits"))
    versions: dict[str, Version] = field(default_factory=dict)
    route: str | None = None
    figures: dict[str, Figures] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    records: list[Draft] = field(default_factory=list)
    ledger_answers: bool = True
    undelivered: set[str] = field(default_factory=set)
    unready: set[str] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)
    told: Status | None = None
    finished: bool = False

    def situation(self) -> Situation:
        return Situation(
            wanted=self.wanted,
            source="stack",
            asked=self.asked,
            verdict=self.verdict,
            served_verdict=self.served_verdict,
            observed=Observed(versions=dict(self.versions), route=self.route),
            memory=self.memory,
            figures=self._read(),
            now=self.now,
            limits=self.limits,
        )

    def turn(self, seconds: float = 1) -> Plan:
        """Write the records that wait, decide, carry it out, and move the clock."""
        if self.ledger_answers:
            self.records += self.memory.pending
            self.memory = replace(self.memory, pending=())
        plan = decide(self.situation())
        # What is remembered survives a restart.
        self.memory = Memory.parse(plan.memory.to_text())
        for step in plan.steps:
            self._do(step)
        self.steps = list(plan.steps)
        self.told, self.finished = plan.status, plan.finished
        self.now += seconds
        self._progress()
        return plan

    def turns(self, number: int, seconds: float = 1) -> None:
        for _ in range(number):
            self.turn(seconds)

    def move(self, version: str) -> None:
        """Move the champion."""
        self.verdict = verified(version)

    def serve(self, version: str) -> None:
        """Move the champion, and wait until it answers."""
        self.move(version)
        for _ in range(40):
            self.turn()
            if self.memory.served == version and self.memory.target is None:
                return
        raise AssertionError(f"version {version} is not served: {self.status}")

    def say(self, version: str, **changes: object) -> None:
        """Change what is seen of a version."""
        self.versions[version] = replace(self.versions[version], **changes)

    @property
    def status(self) -> Status:
        assert self.told is not None
        return self.told

    @property
    def actions(self) -> list[str]:
        return [f"{record.action} {record.to_version}" for record in self.records]

    def answers(self) -> set[str]:
        """Return the versions that answer requests now."""
        if self.route == CANARY_ROUTE:
            return {v for v, seen in self.versions.items() if any(pod.open and pod.ready for pod in seen.pods)}
        return {self.route} if self.route and self.versions.get(self.route, Version()).ready else set()

    def _read(self) -> dict[str, Figures]:
        """Return the figures by pod."""
        return {
            pod.name: Figures() if index else self.figures.get(version, Figures())
            for version, seen in self.versions.items()
            for index, pod in enumerate(seen.pods)
            if pod.name not in self.unread
        }

    def _do(self, step: Step) -> None:
        match step:
            case Open(names):
                for version, seen in self.versions.items():
                    pods = tuple(replace(pod, open=pod.open or pod.name in names) for pod in seen.pods)
                    self.versions[version] = replace(seen, pods=pods)
            case Route(to):
                self.route = to
            case RemoveModel():
                self.versions.clear()
                self.route = None
            case _:
                seen = _after(step, self.versions.pop(step.version, Version()))
                if seen.delivery != "none" or seen.replicas is not None:
                    self.versions[step.version] = seen

    def _progress(self) -> None:
        for version, seen in self.versions.items():
            delivered = seen.delivery == "running" and version not in self.undelivered
            started = seen.replicas and version not in self.unready
            self.versions[version] = replace(
                seen,
                delivery="done" if delivered else seen.delivery,
                available=len(seen.pods) if started else seen.available,
                pods=tuple(replace(pod, ready=True) for pod in seen.pods) if started else seen.pods,
            )


def _after(step: Deliver | Discard | RemoveDelivery | Serve | Remove, seen: Version) -> Version:
    """Return what is seen of a version after a step."""
    match step:
        case Deliver():
            return replace(seen, delivery="running")
        case Discard() | RemoveDelivery():
            return replace(seen, delivery="none")
        case Serve(_, replicas, track):
            new = tuple(Pod(name=f"{step.version}-{number}") for number in range(len(seen.pods), replicas))
            return replace(seen, replicas=replicas, track=track, pods=(*seen.pods, *new)[:replicas])
        case Remove():
            return replace(seen, replicas=None, available=0, pods=())
