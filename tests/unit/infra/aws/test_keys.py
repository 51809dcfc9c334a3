"""The use of KMS keys that key policies allow, decided by an IAM simulator."""

from infra.aws.keys import key_policy
from infra.limits.account import Account
from infra.limits.statements import document
from tests.support.iam import Request, allowed

ACCOUNT = Account(
    project="aegis", environment="prod", account_id="123456789012", region="eu-west-1", tags={"Environment": "prod"}
)
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
LOG_GROUP = "/aws/rds/instance/aegis-prod-mlflow/postgresql"
PERMITTED = document({"Sid": "Key", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY})


def test_the_accounts_iam_policies_decide_who_uses_a_key() -> None:
    policies = {"permitted": [PERMITTED], "not permitted": []}
    requests = [
        Request(
            principal="arn:aws:iam::123456789012:role/reader",
            action="kms:Decrypt",
            resource=KEY,
            account=ACCOUNT.account_id,
            policies=attached,
            resource_policy=key_policy(ACCOUNT),
        )
        for attached in policies.values()
    ]
    assert dict(zip(policies, allowed(requests), strict=True)) == {"permitted": True, "not permitted": False}


def by_cloudwatch(action: str, log_group: str, *log_groups: str) -> bool:
    request = Request(
        principal="logs.eu-west-1.amazonaws.com",
        action=action,
        resource=KEY,
        account=ACCOUNT.account_id,
        context={
            "kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:eu-west-1:{ACCOUNT.account_id}:log-group:{log_group}"
        },
        resource_policy=key_policy(ACCOUNT, log_groups),
    )
    return allowed([request])[0]


def test_cloudwatch_may_encrypt_the_given_log_groups() -> None:
    assert by_cloudwatch("kms:GenerateDataKey", LOG_GROUP, LOG_GROUP)


def test_cloudwatch_may_not_encrypt_another_log_group() -> None:
    assert not by_cloudwatch("kms:GenerateDataKey", "/aws/rds/instance/another/postgresql", LOG_GROUP)


def test_cloudwatch_may_not_use_the_key_of_a_store_without_logs() -> None:
    assert not by_cloudwatch("kms:GenerateDataKey", LOG_GROUP)


def test_cloudwatch_may_not_manage_a_key() -> None:
    assert not by_cloudwatch("kms:ScheduleKeyDeletion", LOG_GROUP, LOG_GROUP)
