"""Run checks at the same time, each for a limited time, and judge what they return or raise."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

from local.doctor.site import Site
from local.doctor.verdict import NoAnswerError, NotHereError, ProblemError, Result, State
from local.errors import LocalError

# They wait most of the time, for pods and servers.
_AT_ONCE = 12
# A busy machine takes half a minute to answer from a pod.
SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Check:
    """A named check, which returns what it found."""

    name: str
    look: Callable[[Site], str]


def run(checks: Sequence[Check], site: Site, *, seconds: float = SECONDS) -> Iterator[Result]:
    """Yield the result of each check, in their order, as soon as it and those before it have one."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as executor:
        yield from executor.map(partial(_bounded, site=site, seconds=seconds), checks)


def judge(check: Check, site: Site) -> Result:
    """Run one check."""
    try:
        return Result(check=check.name, state=State.OK, detail=check.look(site))
    except ProblemError as problem:
        return Result(
            check=check.name,
            state=State(problem.severity),
            detail=str(problem),
            evidence=problem.evidence,
            remedy=problem.remedy,
        )
    except NotHereError as reason:
        return Result(check=check.name, state=State.ABSENT, detail=str(reason))
    except (NoAnswerError, LocalError) as reason:
        return Result(check=check.name, state=State.UNKNOWN, detail=str(reason))
    except Exception as error:  # noqa: BLE001 - an installation may answer anything, and the other checks go on
        return Result(check=check.name, state=State.UNKNOWN, detail=f"unexpected {type(error).__name__}: {error}")


def _bounded(check: Check, site: Site, seconds: float) -> Result:
    """Run one check, and go on without it if it takes too long: its thread ends with the process."""
    answers: SimpleQueue[Result] = SimpleQueue()
    Thread(target=lambda: answers.put(judge(check, site)), daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except Empty:
        return Result(check=check.name, state=State.UNKNOWN, detail=f"no answer within {seconds:g} s")
