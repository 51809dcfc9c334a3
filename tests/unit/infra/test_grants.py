"""Grants of workloads, and the policies made from them."""

from dataclasses import replace

import pytest

from infra.capabilities.backup.grants import WORKLOAD as BACKUP
from infra.capabilities.tracking.grants import MIGRATION_WORKLOAD, SERVER_WORKLOAD
from infra.limits.grants import Grant, Store, policy
from tests.support.aws_roles import STORES


def services(grants: tuple[Grant, ...]) -> set[str]:
    return {action.split(":")[0] for each in policy(grants, STORES)["Statement"] for action in each["Action"]}


def test_a_grant_applies_if_its_store_is_in_aws() -> None:
    assert services(SERVER_WORKLOAD.granted(frozenset({Store.BUCKETS}))) == {"s3", "kms"}
    assert services(SERVER_WORKLOAD.granted(frozenset({Store.DATABASE_LOGIN}))) == {"rds-db"}
    assert MIGRATION_WORKLOAD.granted(frozenset({Store.BUCKETS})) == ()


@pytest.mark.parametrize(("missing", "message"), [("buckets", "mlflow-backups"), ("login", "database.auth")])
def test_a_grant_without_its_store_is_refused_instead_of_left_out(missing: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        policy(BACKUP.grants, replace(STORES, **{missing: None}))
