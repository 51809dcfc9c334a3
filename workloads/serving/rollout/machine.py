"""The next steps of one served model, decided from all that is known, without waiting for anything.

Every step can be repeated, and nothing is assumed that isn't in the situation: after a restart, the same is decided.
Forward steps wait until the records of all steps before them are written. Steps back wait for nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from workloads.serving.rollout import figures
from workloads.serving.rollout.figures import Figures
from workloads.serving.rollout.memory import MOST_PENDING, Action, Draft, Memory, Rejected, State
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
from workloads.serving.rollout.situation import CANARY_ROUTE, Observed, Pod, Situation, Verdict, Version
from workloads.serving.wanted import Canary, Wanted


def decide(situation: Situation) -> Plan:
    """Return the next steps."""
    if situation.wanted is None:
        return _removal(situation)
    return _Turn(situation, situation.wanted).plan()


def _removal(s: Situation) -> Plan:
    memory = s.memory
    if not memory.removed:
        draft = Draft(action="remove", time=s.now, from_version=memory.served, source=memory.source)
        known = memory.served or memory.target or s.observed.versions
        memory = Memory(
            model=memory.model,
            head=memory.head,
            pending=(*memory.pending, draft) if known else memory.pending,
            removed=True,
        )
    left = bool(s.observed.versions) or s.observed.route is not None
    return Plan(memory=memory, steps=(RemoveModel(),) if left else (), finished=not left and not memory.pending)


class _Turn:
    """One decision about a wanted model: the memory and the steps as they grow."""

    def __init__(self, situation: Situation, wanted: Wanted) -> None:
        self.s = situation
        self.wanted = wanted
        self.memory = self._recalled()
        self.steps: list[Step] = []
        self.state: State = "serving"
        self.reason = ""
        self.judged, self.doubt = self.memory.served, self._doubt(situation.served_verdict)

    def plan(self) -> Plan:
        goal = self._goal()
        if goal is None or goal == self.memory.served:
            self._settle()
        else:
            self._roll(goal)
        self._tidy()
        self.memory = replace(self.memory, doubt=self.doubt if self.memory.served == self.judged else "")
        return Plan(memory=self.memory, steps=tuple(self.steps), status=self._status())

    def _recalled(self) -> Memory:
        """Return the memory with what is wanted now."""
        memory = self.s.memory
        return replace(
            memory if memory.wanted is not None else _restored(memory, self.s.observed),
            wanted=self.wanted.to_json(),
            source=self.s.source,
            asked=self.s.asked,
            removed=False,
        )

    def _goal(self) -> str | None:
        """Return the version that should answer, and set the state that explains it."""
        verdict, memory = self.s.verdict, self.memory
        may_remove = self.s.limits.remove_unverified and self.s.served_verdict.finding in ("refused", "verified")
        if memory.served and may_remove and self.doubt:
            self._withdraw(memory.served)
            memory = self.memory
        if verdict.finding == "unknown":
            self._say("waiting", verdict.reason)
            return memory.target or memory.served
        if verdict.finding == "missing" or verdict.version is None:
            self._say("waiting", verdict.reason)
            return memory.served
        if verdict.finding == "refused":
            return self._refused(verdict.version)
        rejected = memory.rejected
        if rejected and not rejected.by_check and rejected.mark == self._mark(verdict.version):
            self._say(rejected.state, rejected.reason)
            return memory.served
        self.memory = replace(memory, rejected=None)
        self.reason = self._note()
        return verdict.version

    def _note(self) -> str:
        held = self.s.verdict.held_from
        return f"version {held} was taken back by hand, and {self.wanted.reference} still names it" if held else ""

    def _refused(self, version: str) -> str | None:
        """Keep what is served, and record once that the wanted version doesn't verify."""
        reason = self.s.verdict.reason
        if version == self.memory.served:
            self._say("serving", f"it is served on, but would not be served again: {reason}")
            return version
        known = self.memory.rejected
        if known is None or (known.mark, known.reason) != (self._mark(version), reason):
            self._reject(version, "refused", reason, by_check=True)
            self._draft("refuse", version, reason)
        self._say("refused", reason)
        return self.memory.served

    def _doubt(self, verdict: Verdict) -> str:
        """Return why the served version would not be served again as it is, or nothing; silence changes nothing."""
        if verdict.finding == "unknown":
            return self.memory.doubt
        if verdict.finding in ("refused", "missing"):
            return verdict.reason
        if self._has_other_files(verdict):
            return f"version {verdict.version} was registered again with other files; register them as a new version"
        return ""

    def _has_other_files(self, verdict: Verdict) -> bool:
        """Return whether the number of a version names other files than those that were delivered or are served."""
        known = self.memory.contents.get(verdict.version or "")
        return verdict.finding == "verified" and bool(known) and known != verdict.content_sha256

    def _withdraw(self, version: str) -> None:
        """Take a version out of service that doesn't verify any more, with its files."""
        self._draft("remove", version, self.doubt)
        contents, images = _without(self.memory.contents, version), _without(self.memory.images, version)
        self.memory = replace(self.memory, served=None, previous=None, contents=contents, images=images)
        self.steps += [Remove(version), Discard(version)]

    def _settle(self) -> None:
        """Keep what is served, and give up what was being rolled out."""
        if self.memory.target:
            self._leave("abandon", self._note() or f"{self.wanted.reference} does not name it any more")
        self._keep_served()
        served = self.memory.served
        if served and self.state == "serving" and not self._version(served).ready:
            self._say("failed", self._why_down(self._version(served)))

    def _roll(self, goal: str) -> None:
        """Go one step on towards `goal`."""
        if self.memory.target != goal or self._has_other_files(self.s.verdict):
            self._begin(goal)
        self._keep_served()
        if Discard(goal) in self.steps:
            self._say("rolling", "its earlier files are being removed")
        # A canary that answers is watched on, and can be taken back, while the record of its takeover waits.
        elif self.memory.pending and self.memory.canary_since is None and not self.memory.back:
            self._say("waiting", self.memory.unwritten)
        elif self._is_delivered(goal) and self._is_running(goal) and self._is_proven(goal):
            self._promote(goal)

    def _begin(self, goal: str) -> None:
        if self.memory.target:
            again = self.memory.target == goal
            self._leave("abandon", f"version {goal} {'was registered again' if again else 'is wanted now'}")
        if self._has_other_files(self.s.verdict):
            self.steps += [Remove(goal), Discard(goal)]
            self.memory = replace(self.memory, images=_without(self.memory.images, goal))
        retired = {version: since for version, since in self.memory.retired.items() if version != goal}
        self.memory = replace(
            self.memory,
            target=goal,
            started=self.s.now,
            back=self._is_way_back(goal),
            contents={**self.memory.contents, goal: self.s.verdict.content_sha256 or ""},
            failures=0,
            retry_at=0,
            failure="",
            retired=retired,
        )
        self._draft("start", goal, self.reason or None)

    def _is_way_back(self, goal: str) -> bool:
        """Return whether `goal` is served by hand in place of another, or answered before and wasn't taken back."""
        memory = self.memory
        if self._has_other_files(self.s.verdict):
            return False
        return self.s.verdict.held_from is not None or (goal == memory.previous and goal != memory.taken_back)

    def _is_delivered(self, goal: str) -> bool:
        version = self._version(goal)
        if version.delivery == "done" or goal in self.memory.images:
            if version.image and self.memory.images.get(goal) != version.image:
                self.memory = replace(self.memory, images={**self.memory.images, goal: version.image})
            return True
        if version.delivery == "refused":
            self._give_up(goal, "refused", version.reason)
        elif version.delivery == "impossible":
            self._give_up(goal, "failed", f"it can't be delivered: {version.reason}")
        elif version.delivery == "failed":
            self._deliver_later(goal, version.reason)
        elif self.s.now < self.memory.retry_at:
            self._say("waiting", self._why_not_delivered())
        else:
            self.steps.append(Deliver(goal))
            self._say("rolling", _because("its files are being delivered", version.reason))
        return False

    def _deliver_later(self, goal: str, reason: str) -> None:
        self._delay(reason)
        self.steps.append(Discard(goal))
        self._say("waiting", self._why_not_delivered())

    def _delay(self, reason: str) -> None:
        """Put the next delivery off after one that failed."""
        self.memory = replace(self.memory, failures=self.memory.failures + 1, failure=reason)
        self.memory = replace(self.memory, retry_at=self.s.now + self._retry_after())

    def _retry_after(self) -> float:
        return min(self.s.limits.retry * 2 ** (self.memory.failures - 1), self.s.limits.longest_retry)

    def _why_not_delivered(self) -> str:
        failures = self.memory.failures
        count = "once" if failures == 1 else f"{failures} times"
        # Not how many seconds are left, with which the status would change at each turn.
        again = f"its delivery failed {count}, and is tried again after {self._retry_after():.0f} s"
        return _because(again, self.memory.failure)

    def _is_running(self, goal: str) -> bool:
        """Start the servers; return whether all are ready, or were when the canary was opened."""
        version, limits = self._version(goal), self.s.limits
        since = self.memory.running_since or self.s.now
        self.memory = replace(self.memory, running_since=since)
        self.steps.append(Serve(goal, self.wanted.replicas, "canary" if self._has_canary else "stable"))
        opened = self.memory.canary_since is not None
        if any(pod.check_refused for pod in version.pods):
            self._give_up(goal, "refused", "its delivered files do not verify")
        elif max((pod.restarts for pod in version.pods), default=0) >= limits.crashes:
            self._give_up(goal, "failed", self._why_down(version))
        elif opened and version.ready:
            return True
        elif opened:
            self._give_up(goal, "failed", f"its canary does not answer any more: {self._why_down(version)}")
        elif version.replicas == self.wanted.replicas and version.available >= self.wanted.replicas:
            return True
        elif self.s.now - since > limits.start:
            self._give_up(goal, "failed", f"not ready after {limits.start:.0f} s: {self._why_down(version)}")
        else:
            ready = f"{version.available} of {self.wanted.replicas} servers are ready"
            self._say("rolling", _because(ready, _waiting(version)))
        return False

    def _is_proven(self, goal: str) -> bool:
        """Try the canary; return whether its time is over without a problem."""
        served, canary = self.memory.served, self.wanted.canary
        if canary is None or served is None or not self._has_canary:
            return True
        if self.memory.canary_since is None:
            if any(pod.open for other in self._unused() for pod in self._version(other).pods):
                self.steps += [Remove(other) for other in self._unused()]
                self._say("rolling", "servers of an earlier version are being removed")
                return False
            self.memory = replace(self.memory, canary_since=self.s.now, baseline=self.s.figures)
        self._open(goal, served, canary)
        passed = self.s.now - (self.memory.canary_since or self.s.now)
        tried = self._since(self._version(goal).pods)
        # Of a server that couldn't be read at the start, nobody knows what happened before.
        usual = self._since(pod for pod in self._version(served).pods if pod.name in self.memory.baseline)
        unread = [pod.name for pod in self._version(goal).ready if pod.name not in self.s.figures]
        over = passed >= canary.seconds
        if problem := figures.problem(tried, usual, canary, over=over):
            self._give_up(goal, "failed", problem)
        elif unread and passed >= canary.seconds + self.s.limits.start:
            self._give_up(goal, "failed", f"the figures of {', '.join(unread)} can't be read")
        elif unread and over:
            self._say("rolling", f"canary: the figures of {', '.join(unread)} can't be read")
        else:
            left = max(0, canary.seconds - passed)
            self._say("rolling", f"canary: {tried.requests:.0f} requests, {tried.errors:.0f} failed, {left:.0f} s left")
            return over
        return False

    def _open(self, goal: str, served: str, canary: Canary) -> None:
        """Let all servers of the stable version and some of the canary's answer."""
        stable = self._version(served).ready
        size = canary.servers(max(1, len(stable)), self.wanted.replicas)
        chosen = [*stable, *_canary_pods(self._version(goal), size)]
        if closed := tuple(pod.name for pod in chosen if not pod.open):
            self.steps.append(Open(closed))
        if self.s.observed.route != CANARY_ROUTE:
            self.steps.append(Route(CANARY_ROUTE))

    def _promote(self, goal: str) -> None:
        """Ask for the record, and once it is written send all requests to the new version; on a way back at once."""
        old, back = self.memory.served, self.memory.back
        if back:
            self._draft("rollback", goal, self._note() or f"{self.wanted.reference} names it again")
        elif not self.memory.passed:
            self.memory = replace(self.memory, passed=True)
            self._draft("promote", goal, None)
            self._say("rolling", "its record is being written")
            return
        elif self.memory.pending:
            self._say("waiting", self.memory.unwritten)
            return
        retired = {**self.memory.retired, **({old: self.s.now} if old else {})}
        self.memory = replace(
            _without_target(self.memory),
            served=goal,
            previous=old,
            taken_back=old if back else None,
            since=self.s.now,
            retired=retired,
        )
        self.steps += [Serve(goal, self.wanted.replicas, "stable"), Route(goal)]
        self._say("serving", self._note())

    def _give_up(self, goal: str, state: State, reason: str) -> None:
        """Go back to what is served, and don't try `goal` again by itself."""
        self._leave("rollback" if state == "failed" else "refuse", reason)
        self._reject(goal, state, reason)
        self.steps = [step for step in self.steps if step != Route(CANARY_ROUTE) and not isinstance(step, Open)]
        served = self.memory.served
        if served and self.s.observed.route != served:
            self.steps.append(Route(served))
        self.steps = [step for step in self.steps if not (isinstance(step, Serve) and step.version == goal)]
        self.steps += [Remove(goal), Discard(goal)]
        self._say(state, reason)

    def _leave(self, action: Action, reason: str) -> None:
        """Give the target up. A start without a record never happened."""
        target = self.memory.target
        assert target is not None  # noqa: S101 - its callers checked it
        drafts = [
            draft
            for draft in self.memory.pending
            # A way back to the same version, whose records still wait, was before.
            if draft.to_version == target and draft.action != "refuse" and draft.time >= self.memory.started
        ]
        pending = tuple(draft for draft in self.memory.pending if draft not in drafts)
        self.memory = replace(self.memory, pending=pending)
        if not any(draft.action == "start" for draft in drafts):
            self._draft(action, target, reason)
        self.memory = _without_target(self.memory)

    def _keep_served(self) -> None:
        served = self.memory.served
        if served is None:
            return
        self._keep_files(served)
        self.steps.append(Serve(served, self.wanted.replicas, "stable"))
        if self.memory.canary_since is None and self.s.observed.route != served:
            self.steps.append(Route(served))

    def _keep_files(self, served: str) -> None:
        """Deliver the files that servers wait for again; a delivery that failed is tried again later."""
        seen = self._version(served)
        if seen.replicas is not None and (seen.ready or served in self.memory.images):
            return
        if seen.delivery == "none" and (self.memory.target or self.s.now >= self.memory.retry_at):
            self.steps.append(Deliver(served))
        elif seen.delivery in ("failed", "impossible") and self.memory.target is None:
            self._delay(seen.reason)
            self.steps.append(RemoveDelivery(served))

    def _tidy(self) -> None:
        """Remove what isn't used: servers after a while, sooner during a rollout, and all files but the last ones."""
        unused, now, limits = self._unused(), self.s.now, self.s.limits
        retired = {version: self.memory.retired.get(version, now) for version in unused}
        known = {*self.s.observed.versions, self.memory.served, self.memory.target}
        self.memory = replace(
            self.memory,
            retired=retired,
            contents={version: each for version, each in self.memory.contents.items() if version in known},
            images={version: each for version, each in self.memory.images.items() if version in known},
        )
        youngest = max(unused, key=lambda version: retired[version], default=None)
        for version in unused:
            age = now - retired[version]
            hurry = self.memory.target is not None or version != youngest
            gone = age >= (limits.drain if hurry else limits.linger)
            if not gone and not (hurry and version != self.memory.previous):
                continue
            if self._version(version).replicas is not None:
                self._once(Remove(version))
            if version != self.memory.previous:
                self._once(Discard(version))

    def _once(self, step: Step) -> None:
        if step not in self.steps:
            self.steps.append(step)

    def _unused(self) -> list[str]:
        used = {self.memory.served, self.memory.target}
        return sorted(version for version in self.s.observed.versions if version not in used)

    @property
    def _has_canary(self) -> bool:
        return self.wanted.canary is not None and self.memory.served is not None and not self.memory.back

    def _version(self, version: str) -> Version:
        return self.s.observed.versions.get(version, Version())

    def _since(self, pods: Iterable[Pod]) -> Figures:
        """Return the figures of servers since the canary was opened, of those that could be read."""
        read = [pod.name for pod in pods if pod.name in self.s.figures]
        return figures.total(self.s.figures[name].since(self.memory.baseline.get(name, Figures())) for name in read)

    def _mark(self, version: str) -> str:
        return f"{self.wanted.digest} {self.s.asked or ''} {version}"

    def _reject(self, version: str, state: State, reason: str, *, by_check: bool = False) -> None:
        rejected = Rejected(version=version, mark=self._mark(version), state=state, reason=reason, by_check=by_check)
        self.memory = replace(self.memory, rejected=rejected)

    def _draft(self, action: Action, version: str, reason: str | None) -> None:
        """Ask for a record. Refusals, which nothing waits for, are left out once too many records wait."""
        if action == "refuse" and len(self.memory.pending) >= MOST_PENDING:
            return
        verdict = self.s.verdict
        content = verdict.content_sha256 if verdict.version == version else None
        draft = Draft(
            action=action,
            time=self.s.now,
            from_version=self.memory.served,
            to_version=version,
            alias=self.wanted.alias,
            content_sha256=content or self.memory.contents.get(version),
            source=self.s.source,
            reason=reason,
        )
        self.memory = replace(self.memory, pending=(*self.memory.pending, draft))

    def _say(self, state: State, reason: str) -> None:
        self.state, self.reason = state, reason

    def _why_down(self, version: Version) -> str:
        restarts = sum(pod.restarts for pod in version.pods)
        return _because(f"{len(version.ready)} servers are ready, {restarts} restarts", _waiting(version))

    def _status(self) -> Status:
        memory = self.memory
        served = self._version(memory.served) if memory.served else Version()
        percent = 0
        if memory.canary_since is not None and self.wanted.canary:
            percent = self.wanted.canary.share(max(1, len(served.ready)), self.wanted.replicas)
        if memory.served and memory.doubt and memory.doubt not in self.reason:
            before = f"{self.reason}; " if self.reason else ""
            self.reason = f"{before}version {memory.served} is served on, but would not be served again: {memory.doubt}"
        return Status(
            model=self.wanted.model,
            wanted=self.wanted.reference,
            wanted_version=self.s.verdict.version or memory.target or memory.served,
            served_version=memory.served,
            state=self.state,
            reason=self.reason,
            canary_percent=percent,
            replicas=self.wanted.replicas,
            ready=len(served.ready),
            source=memory.source,
            since=memory.since,
            verified=memory.served is not None and not memory.doubt,
            request=f"{self.wanted.digest} {self.s.asked or ''}".strip(),
            held_from=self.s.verdict.held_from,
        )


def _restored(memory: Memory, seen: Observed) -> Memory:
    """Return a memory that was lost, as far as the objects tell it; during a trial the Service names no version."""
    tried = [
        version for version, each in seen.versions.items() if each.track == "stable" and any(p.open for p in each.pods)
    ]
    return replace(
        memory,
        served=next(iter(tried), None) if seen.route == CANARY_ROUTE else seen.route,
        contents={version: each.content for version, each in seen.versions.items() if each.content},
        images={version: each.image for version, each in seen.versions.items() if each.image},
    )


def _without(those: Mapping[str, str], version: str) -> dict[str, str]:
    return {each: value for each, value in those.items() if each != version}


def _without_target(memory: Memory) -> Memory:
    return replace(memory, target=None, running_since=None, canary_since=None, baseline={}, passed=False, back=False)


def _waiting(version: Version) -> str:
    return ", ".join(sorted({pod.waiting for pod in version.pods if pod.waiting}))


def _because(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


def _canary_pods(version: Version, size: int) -> list[Pod]:
    return sorted(version.ready, key=lambda pod: not pod.open)[:size]
