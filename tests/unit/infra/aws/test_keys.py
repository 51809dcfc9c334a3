"""Who may use a KMS key."""

from infra.aws.account import Account
from infra.aws.keys import key_policy
from infra.aws.statements import document
from tests.support.iam import Request, allowed

ACCOUNT = Account(
    project="aegis", environment="prod", account_id="123456789012", region="eu-west-1", tags={"Environment": "prod"}
)
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
SERVICE = "logs.eu-west-1.amazonaws.com"
PERMITTED = document({"Sid": "Key", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY})


def test_the_accounts_iam_policies_decide_who_uses_a_key() -> None:
    policies = {"permitted": [PERMITTED], "not permitted": []}
    requests = [
        Request(
            principal="arn:aws:iam::123456789012:role/reader",
            action="kms:Decrypt",
            resource=KEY,
            account=ACCOUNT.account_id,
            policies=given,
            resource_policy=key_policy(ACCOUNT),
        )
        for given in policies.values()
    ]
    assert dict(zip(policies, allowed(requests), strict=True)) == {"permitted": True, "not permitted": False}


def by_service(action: str, source_account: str, *services: str) -> bool:
    request = Request(
        principal=SERVICE,
        action=action,
        resource=KEY,
        account=ACCOUNT.account_id,
        context={"aws:SourceAccount": source_account},
        resource_policy=key_policy(ACCOUNT, services),
    )
    return allowed([request])[0]


def test_a_service_uses_a_key_for_this_account() -> None:
    assert by_service("kms:GenerateDataKey", ACCOUNT.account_id, SERVICE)


def test_a_service_uses_no_key_for_another_account() -> None:
    assert not by_service("kms:GenerateDataKey", "999999999999", SERVICE)


def test_a_service_that_was_not_named_uses_no_key() -> None:
    assert not by_service("kms:GenerateDataKey", ACCOUNT.account_id)


def test_a_service_manages_no_key() -> None:
    assert not by_service("kms:ScheduleKeyDeletion", ACCOUNT.account_id, SERVICE)
