"""A token may assume a role only if the cluster issued it, it is valid, and the role trusts its service account."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from local.aws.web_identity import IdentityProvider, RefusedError, check
from tests.unit.emulated_aws.conftest import ISSUER, Issuer

PROVIDER = "arn:aws:iam::000000000001:oidc-provider/kubernetes.default.svc.cluster.local"
KEY = "kubernetes.default.svc.cluster.local"


def trust(**changes: Any) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{KEY}:sub": "system:serviceaccount:mlflow:mlflow",
                f"{KEY}:aud": "sts.amazonaws.com",
            }
        },
    }
    return {"Version": "2012-10-17", "Statement": [statement | changes]}


@pytest.fixture
def providers(issuer: Issuer) -> dict[str, IdentityProvider]:
    audiences = ("sts.amazonaws.com", "another")
    return {ISSUER: IdentityProvider(arn=PROVIDER, issuer=ISSUER, audiences=audiences, key=issuer.public_key)}


def refusal(token: str, policy: dict[str, Any] | None, providers: dict[str, IdentityProvider]) -> str:
    with pytest.raises(RefusedError) as caught:
        check(token, policy, providers)
    return caught.value.code


def test_a_trusted_service_account_may_assume_the_role(issuer: Issuer, providers: dict[str, IdentityProvider]) -> None:
    check(issuer.token(), trust(), providers)


@pytest.mark.parametrize(
    "subject",
    [
        "system:serviceaccount:mlflow:default",
        "system:serviceaccount:other:mlflow",
        "system:serviceaccount:mlflow:mlflow2",
    ],
)
def test_another_service_account_is_refused(
    issuer: Issuer, providers: dict[str, IdentityProvider], subject: str
) -> None:
    assert refusal(issuer.token(subject), trust(), providers) == "AccessDenied"


def test_an_audience_that_the_role_doesnt_trust_is_refused(
    issuer: Issuer, providers: dict[str, IdentityProvider]
) -> None:
    assert refusal(issuer.token(aud="another"), trust(), providers) == "AccessDenied"


def test_an_audience_that_the_account_doesnt_know_is_an_invalid_token(
    issuer: Issuer, providers: dict[str, IdentityProvider]
) -> None:
    assert refusal(issuer.token(aud="vault"), trust(), providers) == "InvalidIdentityToken"


def test_an_expired_token_has_its_own_error(issuer: Issuer, providers: dict[str, IdentityProvider]) -> None:
    expired = issuer.token(exp=datetime.now(UTC) - timedelta(seconds=1))
    assert refusal(expired, trust(), providers) == "ExpiredTokenException"


def test_a_token_signed_with_another_key_is_refused(providers: dict[str, IdentityProvider]) -> None:
    assert refusal(Issuer().token(), trust(), providers) == "InvalidIdentityToken"


def test_an_unsigned_token_is_refused(issuer: Issuer, providers: dict[str, IdentityProvider]) -> None:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    assert refusal(jwt.encode(claims, "", algorithm="none"), trust(), providers) == "InvalidIdentityToken"


def test_a_token_without_an_expiry_is_refused(issuer: Issuer, providers: dict[str, IdentityProvider]) -> None:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    del claims["exp"]
    endless = jwt.encode(claims, issuer.key, algorithm="RS256")
    assert refusal(endless, trust(), providers) == "InvalidIdentityToken"


def test_an_issuer_without_a_provider_in_the_account_is_refused(
    issuer: Issuer, providers: dict[str, IdentityProvider]
) -> None:
    assert refusal(issuer.token(iss="https://elsewhere.example"), trust(), providers) == "InvalidIdentityToken"


def test_text_that_isnt_a_token_is_refused(providers: dict[str, IdentityProvider]) -> None:
    assert refusal("no token", trust(), providers) == "InvalidIdentityToken"


def test_a_missing_role_is_refused_like_one_that_doesnt_trust_the_token(
    issuer: Issuer, providers: dict[str, IdentityProvider]
) -> None:
    assert refusal(issuer.token(), None, providers) == "AccessDenied"


@pytest.mark.parametrize(
    "changes",
    [
        {"Principal": {"Federated": "arn:aws:iam::000000000001:oidc-provider/elsewhere.example"}},
        {"Principal": {"AWS": "*"}},
        {"Action": "sts:AssumeRole"},
        {"Effect": "Deny"},
        {"Condition": {"StringEquals": {f"{KEY}:email": "somebody"}}},
        {"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}},
    ],
    ids=[
        "another provider",
        "no federated principal",
        "another action",
        "deny",
        "an absent claim",
        "unknown condition",
    ],
)
def test_a_trust_that_does_not_cover_the_token_is_refused(
    issuer: Issuer, providers: dict[str, IdentityProvider], changes: dict[str, Any]
) -> None:
    assert refusal(issuer.token(), trust(**changes), providers) == "AccessDenied"
