"""A role trusts the pods of one service account of one cluster, and no similar token."""

import pytest

import contracts
from infra.aws.service_role import trust
from tests.support.aws_roles import ACCOUNT, ACCOUNT_ID, ISSUER, OIDC_PROVIDER_ARN
from tests.support.iam import Request, allowed

TRUST = trust(ISSUER, OIDC_PROVIDER_ARN, "mlflow", "backup")
CLAIMS = ISSUER.removeprefix("https://")
SUBJECT = "system:serviceaccount:mlflow:backup"


def assumed_by(
    provider: str = OIDC_PROVIDER_ARN,
    subject: str = SUBJECT,
    audience: str | None = contracts.AWS_TOKEN_AUDIENCE,
    action: str = "sts:AssumeRoleWithWebIdentity",
) -> Request:
    context = {f"{CLAIMS}:sub": subject}
    return Request(
        principal=provider,
        action=action,
        resource=ACCOUNT.global_arn("iam", "role/backup"),
        account=ACCOUNT_ID,
        context=context if audience is None else {**context, f"{CLAIMS}:aud": audience},
        resource_policy=TRUST,
    )


STRANGERS = {
    "another service account": assumed_by(subject="system:serviceaccount:mlflow:mlflow"),
    "a longer service account": assumed_by(subject=f"{SUBJECT}-2"),
    "another namespace": assumed_by(subject="system:serviceaccount:default:backup"),
    "any service account of the namespace": assumed_by(subject="system:serviceaccount:mlflow:*"),
    "a token for the API server": assumed_by(audience="https://kubernetes.default.svc"),
    "a token for Vault": assumed_by(audience=contracts.VAULT_TOKEN_AUDIENCE),
    "a token without an audience": assumed_by(audience=None),
    "another cluster's issuer": assumed_by(provider=f"{OIDC_PROVIDER_ARN[:-1]}0"),
}


def test_the_service_account_s_token_gets_the_role() -> None:
    assert allowed([assumed_by()]) == [True]


def test_no_other_token_gets_the_role() -> None:
    decisions = allowed(list(STRANGERS.values()))
    assert [name for name, yes in zip(STRANGERS, decisions, strict=True) if yes] == []


def test_an_administrator_of_the_account_does_not_get_the_role() -> None:
    administrator = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    request = Request(
        principal=ACCOUNT.global_arn("iam", "role/administrator"),
        action="sts:AssumeRole",
        resource=ACCOUNT.global_arn("iam", "role/backup"),
        account=ACCOUNT_ID,
        policies=[administrator],
        resource_policy=TRUST,
    )
    assert allowed([request]) == [False]


def test_the_conditions_are_exact() -> None:
    (statement,) = TRUST["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {f"{CLAIMS}:sub": SUBJECT, f"{CLAIMS}:aud": "sts.amazonaws.com"},
    }


@pytest.mark.parametrize(("namespace", "name"), [("*", "backup"), ("mlflow", "*"), ("mlflow", "a:b"), ("", "backup")])
def test_a_name_that_is_invalid_in_kubernetes_is_refused(namespace: str, name: str) -> None:
    with pytest.raises(ValueError, match="must be 1 to 63 lower-case letters"):
        trust(ISSUER, OIDC_PROVIDER_ARN, namespace, name)
