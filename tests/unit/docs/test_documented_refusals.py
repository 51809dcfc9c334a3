"""Whoever is refused finds the reason in the guide."""

import re

import pytest

from local.paths import REPOSITORY
from tests.journeys import table

ROWS = (
    *table.CLIENT,
    *table.VERIFIED,
    *table.GATEWAY,
    *table.HTTP,
    *table.BROWSER,
    *table.ALIASES,
    *table.COMMANDS,
    *table.LIFE,
)
REFUSALS = sorted({row.refused for row in ROWS if row.refused})
SECTION = (
    (REPOSITORY / "docs" / "operations.md").read_text().partition("## Who reaches what\n")[2].partition("\n## ")[0]
)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_each_refusal_of_the_journeys_is_explained_in_the_guide(refusal: str) -> None:
    code, words = re.fullmatch(r"((?:exit )?\d+)?:? ?(.+)", refusal).groups(default="")  # pyright: ignore[reportOptionalMemberAccess] - all parts may be empty
    explained = [line for line in SECTION.splitlines() if code in line and words in line]
    assert explained, f"docs/operations.md doesn't say what {refusal!r} means"
