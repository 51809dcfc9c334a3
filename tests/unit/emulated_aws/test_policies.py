"""Policies are evaluated as in IAM: a deny wins, then an allow, and everything else is denied."""

from typing import Any

import pytest

from local.aws.policies import Call, UnknownConditionError, allows, denies

BUCKET = "arn:aws:s3:::artifacts"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def statement(effect: str = "Allow", action: Any = "s3:GetObject", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": f"{BUCKET}/mlflow/*"} | more


def get(key: str, **context: str) -> Call:
    return Call(action="s3:GetObject", resource=f"{BUCKET}/{key}", context=context)


def test_a_call_that_a_statement_covers_is_allowed() -> None:
    assert allows([policy(statement())], get("mlflow/1/model"))


@pytest.mark.parametrize(
    "call",
    [
        get("datasets/mnist"),
        get("mlflow"),
        Call(action="s3:PutObject", resource=f"{BUCKET}/mlflow/x"),
        Call(action="s3:GetObject", resource="arn:aws:s3:::artifacts2/mlflow/x"),
    ],
)
def test_a_call_that_no_statement_covers_is_denied(call: Call) -> None:
    assert not allows([policy(statement())], call)


def test_a_deny_in_any_document_wins() -> None:
    denied = policy(statement("Deny", Resource=f"{BUCKET}/mlflow/secret/*"))
    assert not allows([policy(statement()), denied], get("mlflow/secret/x"))
    assert allows([policy(statement()), denied], get("mlflow/open/x"))


def test_actions_support_wildcards_and_ignore_case() -> None:
    assert allows([policy(statement(action=["S3:Get*"]))], get("mlflow/x"))


def test_a_condition_on_a_key_that_the_call_lacks_fails() -> None:
    conditioned = policy(statement(Condition={"StringLike": {"s3:prefix": ["mlflow/*"]}}))
    assert not allows([conditioned], get("mlflow/x"))
    assert allows([conditioned], get("mlflow/x", **{"s3:prefix": "mlflow/1"}))
    assert not allows([conditioned], get("mlflow/x", **{"s3:prefix": "datasets/1"}))


def test_if_exists_and_not_operators_hold_if_the_key_is_missing() -> None:
    for operator in ("StringEqualsIfExists", "StringNotEquals"):
        assert allows([policy(statement(Condition={operator: {"s3:x": "y"}}))], get("mlflow/x")), operator


def test_an_unsupported_operator_is_an_error() -> None:
    unknown = policy(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
    with pytest.raises(UnknownConditionError, match="IpAddress"):
        allows([unknown], get("mlflow/x", **{"aws:sourceip": "10.0.0.1"}))


def test_a_bucket_that_requires_tls_denies_only_calls_without_it() -> None:
    tls_only = policy(statement("Deny", "s3:*", Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}}))
    assert denies([tls_only], get("mlflow/x", **{"aws:securetransport": "false"}))
    assert not denies([tls_only], get("mlflow/x", **{"aws:securetransport": "true"}))
