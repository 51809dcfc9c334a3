"""The roles' policies pass a policy linter, and further rules that the linter doesn't have."""

import pytest

from infra.limits.statements import Document
from tests.support.aws_roles import POLICIES
from tests.support.policy_lint import findings

# Characters without white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LONGEST_INLINE_POLICY = 10_240

every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def policy(action: str, resource: str) -> Document:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


@every_policy
def test_the_linter_finds_nothing(policy: Document) -> None:
    assert findings(policy) == []


@pytest.mark.parametrize(
    ("action", "resource", "finding"),
    [
        ("s3:*", "*", "RESOURCE_STAR"),
        ("s3:GetObjects", "arn:aws:s3:::bucket/*", "UNKNOWN_ACTION"),
        ("s3:GetObject", "arn:aws:s3:::bucket", "RESOURCE_MISMATCH"),
    ],
)
def test_the_linter_finds_errors(action: str, resource: str, finding: str) -> None:
    assert finding in "".join(findings(policy(action, resource)))


@every_policy
def test_no_action_is_a_wildcard(policy: Document) -> None:
    assert [action for each in policy["Statement"] for action in each["Action"] if "*" in action] == []


@every_policy
def test_a_wildcard_is_only_in_object_keys(policy: Document) -> None:
    """It is the end of a key. Before it, one may stand for the model, as in the records of rollouts."""
    # The login to a registry has no resource.
    with_resource = [each for each in policy["Statement"] if each["Action"] != ["ecr:GetAuthorizationToken"]]
    wild = [each["Resource"] for each in with_resource if "*" in each["Resource"]]
    assert [arn for arn in wild if not (arn.startswith("arn:aws:s3:::aegis-prod-") and arn.endswith("/*"))] == []
    assert all(arn.count("*") == 1 for arn in wild if not arn.endswith("/*/rollouts/*"))


@every_policy
def test_each_statement_has_a_different_name(policy: Document) -> None:
    names = [each["Sid"] for each in policy["Statement"]]
    assert len(set(names)) == len(names)


@every_policy
def test_the_policy_is_short_enough_for_an_inline_policy(policy: Document) -> None:
    assert len(str(policy)) < LONGEST_INLINE_POLICY
