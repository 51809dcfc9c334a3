"""When S3 deletes and moves objects by itself."""

from typing import Any

import pytest

from infra.aws import bucket_lifecycle

Rule = dict[str, Any]


def housekeeping(expire_after_days: int | None = None) -> list[Rule]:
    return [{**each} for each in bucket_lifecycle.housekeeping(expire_after_days)]


def backups(retention_days: int) -> list[Rule]:
    return [{**each} for each in bucket_lifecycle.backups(retention_days)]


ALL = {
    "housekeeping": housekeeping(),
    "expiring": housekeeping(expire_after_days=400),
    "backups": backups(30),
    "cold": [{**each} for each in bucket_lifecycle.cold_storage(("mlflow", "checkpoints"), 90)],
}
RULES = [pytest.param(rule, id=f"{name}-{rule['id']}") for name, rules in ALL.items() for rule in rules]


def rule(rules: list[Rule], name: str) -> Rule:
    return next(each for each in rules if each["id"] == name)


@pytest.mark.parametrize("each", RULES)
def test_every_rule_is_on_and_has_the_filter_that_s3_wants(each: Rule) -> None:
    assert each["status"] == "Enabled"
    assert list(each["filter"]) == ["prefix"]


@pytest.mark.parametrize("name", ["housekeeping", "expiring", "backups"])
def test_what_was_given_up_or_replaced_is_cleared_in_every_bucket(name: str) -> None:
    rules = ALL[name]
    assert rule(rules, "abandoned-uploads")["abort_incomplete_multipart_upload"] == {"days_after_initiation": 7}
    assert rule(rules, "old-versions")["noncurrent_version_expiration"] == {"noncurrent_days": 30}


def test_an_object_that_nobody_deletes_stays() -> None:
    assert [each["expiration"] for each in housekeeping() if "expiration" in each] == [
        {"expired_object_delete_marker": True}
    ]


def test_no_expiration_has_days_and_markers_at_once_which_s3_refuses() -> None:
    assert rule(ALL["expiring"], "old-versions")["expiration"] == {"days": 400}


def test_a_backup_expires_a_month_after_pruning_should_have_deleted_it() -> None:
    assert rule(backups(30), "old-versions")["expiration"] == {"days": 60}
    assert rule(backups(7), "old-versions")["expiration"] == {"days": 37}


def test_what_cools_down_gets_cheaper_in_two_steps_and_is_still_read_at_once() -> None:
    assert [(each["filter"], each["transitions"]) for each in ALL["cold"]] == [
        (
            {"prefix": f"{folder}/"},
            [{"days": 90, "storage_class": "STANDARD_IA"}, {"days": 180, "storage_class": "GLACIER_IR"}],
        )
        for folder in ("mlflow", "checkpoints")
    ]
