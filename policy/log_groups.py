"""Log groups of CloudWatch, which keep everything unless they are told otherwise."""

from collections.abc import Iterator
from typing import Final

from policy.resource import Resource
from policy.rule import each


def _retention(group: Resource) -> Iterator[str]:
    if not group.get("retentionInDays"):
        yield "retentionInDays is not set: nothing in it ever expires."


RULES: Final = (
    each(
        "logs-expire",
        "What is logged may name people, and costs as long as it is kept. Set retentionInDays.",
        ("aws:cloudwatch/logGroup:LogGroup",),
        _retention,
    ),
)
