"""The type of a schedule in cron's five fields, checked as Kubernetes parses it.

Format: https://pkg.go.dev/github.com/robfig/cron/v3.
"""

import calendar
import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Final

from pydantic import AfterValidator

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# The minimum and maximum of minute, hour, day, month and day of the week, and the names of the values from the minimum
# on. Sunday is 0; 7 isn't allowed.
_FIELDS: Final = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, _MONTHS), (0, 6, _DAYS))
_PART: Final = re.compile(r"(?:(?P<any>[*?])|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>0*[1-9][0-9]{0,4}))?")
# Years after which the days of the week fall on the same dates again.
_CYCLE_YEARS: Final = 28


def longest_gap(schedule: str) -> timedelta:
    """Return the longest time from one run of a valid schedule to the next."""
    minutes, hours, *_ = _times(schedule)
    times = sorted(timedelta(hours=hour, minutes=minute) for hour in hours for minute in minutes)
    days = list(_due_days(schedule))
    days.append(days[0].replace(year=days[0].year + _CYCLE_YEARS))
    overnight = max(after - before for before, after in pairwise(days)) - (times[-1] - times[0])
    return max([overnight, *(after - before for before, after in pairwise(times))])


def _schedule(value: str) -> str:
    if next(_due_days(value), None) is None:
        raise ValueError(f"{value!r} names days that never come")
    return value


def _due_days(schedule: str) -> Iterator[date]:
    _, _, days, months, weekdays = _times(schedule)
    either = _restricts_both(schedule.split(" "))
    return (day for day in _dates(months) if _is_due(day, days, weekdays, either=either))


def _times(schedule: str) -> list[set[int]]:
    return [set(_values(field, *limits)) for field, limits in zip(schedule.split(" "), _FIELDS, strict=True)]


def _values(field: str, least: int, most: int, names: Sequence[str]) -> Iterator[int]:
    numbers = {str(number): number for number in range(least, most + 1)}
    numbers |= {f"0{number}": number for number in numbers.values() if number < 10}  # noqa: PLR2004 - two digits
    numbers |= {name: least + place for place, name in enumerate(names)}
    for part in field.split(","):
        yield from _part(part, least, most, numbers)


def _part(part: str, least: int, most: int, numbers: dict[str, int]) -> range:
    """Return the values of a part of a field: a value, a range or `*`, each with or without a step."""
    found = _PART.fullmatch(part)
    if found is None:
        raise ValueError(f"{part!r} is not a valid part of a schedule")
    step = int(found["step"] or 1)
    ends = [numbers.get(end.lower()) for end in (found["first"], found["last"]) if end is not None]
    first, last = _range(ends, least, most, has_step=found["step"] is not None)
    if first is None or last is None or first > last:
        raise ValueError(f"{part!r} is out of range")
    if step > max(1, last - first):
        raise ValueError(f"{part!r} has a step beyond its range, which leaves only the first value")
    return range(first, last + 1, step)


def _range(ends: Sequence[int | None], least: int, most: int, *, has_step: bool) -> tuple[int | None, int | None]:
    if not ends:
        return least, most
    # A single value with a step means the range from it to the field's maximum.
    return ends[0], most if has_step and len(ends) == 1 else ends[-1]


def _restricts_both(fields: Sequence[str]) -> bool:
    """Return whether a match of either day field is enough. If one has `*`, even with a step, both must match."""
    return not any(part[0] in "*?" for field in (fields[2], fields[4]) for part in field.split(","))


def _is_due(day: date, days: set[int], weekdays: set[int], *, either: bool) -> bool:
    in_month, in_week = day.day in days, day.isoweekday() % 7 in weekdays
    return in_month or in_week if either else in_month and in_week


def _dates(months: set[int]) -> Iterator[date]:
    """Yield the days of these months in a full cycle of years."""
    for year in range(2024, 2024 + _CYCLE_YEARS):
        for month in sorted(months):
            first = date(year, month, 1)
            yield from (first + timedelta(days=offset) for offset in range(calendar.monthrange(year, month)[1]))


Schedule = Annotated[str, AfterValidator(_schedule)]
