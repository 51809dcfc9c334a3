"""Schedules in cron's five fields, as Kubernetes reads them."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# The least and the most of minute, hour, day, month and day of the week, and the names of the values from the least on.
# Sunday is 0 and not 7: https://pkg.go.dev/github.com/robfig/cron/v3#hdr-CRON_Expression_Format
_FIELDS: Final = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, _MONTHS), (0, 6, _DAYS))
_PART: Final = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/0*[1-9][0-9]*)?")


def _schedule(value: str) -> str:
    for field, (least, most, names) in zip(value.split(" "), _FIELDS, strict=True):
        numbers = {str(number): number for number in range(least, most + 1)}
        numbers |= {f"0{number}": number for number in numbers.values() if number < 10}  # noqa: PLR2004 - two digits
        numbers |= {name: least + place for place, name in enumerate(names)}
        for part in field.split(","):
            _check(part, numbers)
    return value


def _check(part: str, numbers: dict[str, int]) -> None:
    """Check a value, a range or `*`, each with a step or without."""
    found = _PART.fullmatch(part)
    if found is None:
        raise ValueError(f"{part!r} is no part of a schedule")
    ends = [numbers.get(end.lower()) for end in (found["first"], found["last"]) if end is not None]
    if None in ends or ends != sorted(end for end in ends if end is not None):
        raise ValueError(f"{part!r} is out of range")


Schedule = Annotated[str, AfterValidator(_schedule)]
