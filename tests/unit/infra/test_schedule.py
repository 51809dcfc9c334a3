"""Schedules, as Kubernetes would read them."""

import pytest
from pydantic import ValidationError

from infra.settings.stores import Backup

GOOD = ("0 2 * * *", "*/15 0-6,22 1 * *", "05 02 1-31/2 JAN-mar Mon", "0 0 * * 0", "59 23 31 12 6")
BAD = (
    "", "0 2 * *", "0 2 * * * *", "0  2 * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
    "* * * * 7", "* * * * jan", "*/0 * * * *", "5-1 * * * *", "1- * * * *", "*-5 * * * *", "1,, * * * *", "a b c d e",
    "@daily",
)  # fmt: skip


@pytest.mark.parametrize("schedule", GOOD)
def test_what_kubernetes_takes_is_taken(schedule: str) -> None:
    assert Backup.model_validate({"schedule": schedule}).schedule == schedule


@pytest.mark.parametrize("schedule", BAD)
def test_what_kubernetes_would_refuse_is_refused(schedule: str) -> None:
    with pytest.raises(ValidationError):
        Backup.model_validate({"schedule": schedule})
