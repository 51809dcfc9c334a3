"""The check of backup schedules accepts and refuses the same schedules as Kubernetes."""

import pytest
from pydantic import ValidationError

from infra.capabilities.backup.settings import Backup

GOOD = (
    "0 2 * * *", "*/15 0-6,22 1 * *", "05 02 1-31/2 JAN-mar Mon", "0 0 * * 0", "59 23 31 12 6", "0 0 29 2 *",
    "0 0 29 feb ?", "0 0 31 2 mon", "0 0 31 1,2 *", "5/15 0 * * *", "*/59 */23 * * *", "0 0 30 4-6/2 */2",
    "0 0 1 1 1-1/1", "0 0 29 2 */6",
)  # fmt: skip
BAD = (
    "", "0 2 * *", "0 2 * * * *", "0  2 * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
    "* * * * 7", "* * * * jan", "*/0 * * * *", "5-1 * * * *", "1- * * * *", "*-5 * * * *", "1,, * * * *", "a b c d e",
    "@daily", "@every 1h", "0 0 31 2 *", "0 0 30 feb *", "0 0 31 4,6,9,11 *", "0 0 31 2 */2", "0 0 30,31 2 ?",
    "*/60 * * * *", "*/90 * * * *", "0 */24 * * *", "0 0 1-5/5 * *", "50/15 * * * *", "0 0 * * sun-sat/7",
    "0 0 * * */7", "0 0 * 13-14 *", "TZ=UTC 0 2 * * *", "0 2 * * *\n", "\u0660 2 * * *", "*/99999999999 * * * *",
    "0 0 L * *", "0 0 * * 1#2",
)  # fmt: skip


@pytest.mark.parametrize("schedule", GOOD)
def test_a_schedule_that_kubernetes_accepts_is_accepted(schedule: str) -> None:
    assert Backup.model_validate({"schedule": schedule}).schedule == schedule


@pytest.mark.parametrize("schedule", BAD)
def test_a_schedule_that_kubernetes_would_refuse_is_refused(schedule: str) -> None:
    with pytest.raises(ValidationError):
        Backup.model_validate({"schedule": schedule})
