"""Many decisions about one model at the same time, for the tests and for the platform."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from contracts import Exit
from tests.support.verdict import Verdict
from workloads.cli import WorkloadError
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import Outcome, Promotion, promote, rollback


@dataclass(kw_only=True)
class Tally:
    """The results of decisions: the numbers of the written records, and how many lost or had nothing to do."""

    records: list[int] = field(default_factory=list)
    lost: int = 0
    unchanged: int = 0
    unexpected: list[str] = field(default_factory=list)

    @property
    def moved(self) -> int:
        """The number of decisions that moved the champion."""
        return len(self.records)


def decide_at_once(ledger: Ledger, versions: Sequence[str], *, decisions: int, at_a_time: int) -> Tally:
    """Promote and roll back to `versions` in turn, `at_a_time` at once."""
    tally = Tally()
    with ThreadPoolExecutor(at_a_time) as pool:
        for result in pool.map(lambda number: _decide(ledger, number, versions), range(decisions)):
            if isinstance(result, str):
                tally.unexpected.append(result)
            elif result is None:
                tally.lost += 1
            elif result.record is None:
                tally.unchanged += 1
            else:
                tally.records.append(result.record)
    return tally


def _decide(ledger: Ledger, number: int, versions: Sequence[str]) -> Outcome | str | None:
    """Return the outcome of a decision, None if another one won, or the error."""
    mine = replace(ledger, by=f"user-{number}")
    version = random.Random(number).choice(versions)  # noqa: S311 - no secret
    try:
        if number % 3:
            return promote(mine, Promotion(version=version), Verdict())
        return rollback(mine, to_version=version)
    except WorkloadError as error:
        return None if error.code is Exit.CONFLICT else str(error)
    except Exception as error:  # noqa: BLE001 - the test shows it
        return f"{type(error).__name__}: {error}"
