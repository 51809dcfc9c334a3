"""Lifecycle rules: when S3 deletes or moves objects by itself."""

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
def test_every_rule_is_enabled_and_has_the_filter_that_s3_requires(each: Rule) -> None:
    assert each["status"] == "Enabled"
    assert list(each["filter"]) == ["prefix"]


@pytest.mark.parametrize("name", ["housekeeping", "expiring", "backups"])
def test_abandoned_uploads_and_old_versions_are_removed_in_every_bucket(name: str) -> None:
    rules = ALL[name]
    assert rule(rules, "abandoned-uploads")["abort_incomplete_multipart_upload"] == {"days_after_initiation": 7}
    assert rule(rules, "old-versions")["noncurrent_version_expiration"] == {"noncurrent_days": 30}


def test_current_objects_do_not_expire_by_default() -> None:
    assert [each["expiration"] for each in housekeeping() if "expiration" in each] == [
        {"expired_object_delete_marker": True}
    ]


def test_an_expiration_has_only_days_because_s3_refuses_days_with_markers() -> None:
    assert rule(ALL["expiring"], "old-versions")["expiration"] == {"days": 400}


def test_a_backup_expires_a_month_after_pruning_should_have_deleted_it() -> None:
    assert rule(backups(30), "old-versions")["expiration"] == {"days": 60}
    assert rule(backups(7), "old-versions")["expiration"] == {"days": 37}


def test_cold_objects_move_in_two_steps_to_classes_that_read_instantly() -> None:
    assert [(each["filter"], each["transitions"]) for each in ALL["cold"]] == [
        (
            {"prefix": f"{folder}/"},
            [{"days": 90, "storage_class": "STANDARD_IA"}, {"days": 180, "storage_class": "GLACIER_IR"}],
        )
        for folder in ("mlflow", "checkpoints")
    ]
