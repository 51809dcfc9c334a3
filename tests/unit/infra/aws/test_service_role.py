"""The IAM role of a service account."""

import dataclasses
import json
from typing import Any

import pulumi
import pytest

from infra.aws.service_role import ServiceRole, ServiceRoleArgs, trust
from tests.support.aws_roles import ACCOUNT, ISSUER, OIDC_PROVIDER_ARN, POLICIES
from tests.support.engine import Graph, run


def arguments(**changes: Any) -> ServiceRoleArgs:
    defaults: dict[str, Any] = {
        "account": ACCOUNT,
        "issuer": ISSUER,
        "oidc_provider_arn": OIDC_PROVIDER_ARN,
        "namespace": "mlflow",
        "service_account": "backup",
        "policy": POLICIES["backup"],
    }
    return ServiceRoleArgs(**{**defaults, **changes})


def graph_of(**changes: Any) -> Graph:
    def program() -> None:
        pulumi.export("arn", ServiceRole("backup", arguments(**changes)).arn)

    return run(program, {})


def test_the_role_trusts_the_service_account() -> None:
    role = graph_of().one("Role")
    assert json.loads(role.inputs["assumeRolePolicy"]) == trust(ISSUER, OIDC_PROVIDER_ARN, "mlflow", "backup")


def test_the_role_has_the_boundary_and_the_tags_of_its_environment() -> None:
    role = graph_of().one("Role")
    assert role.inputs["permissionsBoundary"] == ACCOUNT.permissions_boundary
    assert role.inputs["tags"] == ACCOUNT.tags


def test_without_a_boundary_in_the_settings_the_role_has_none() -> None:
    role = graph_of(account=dataclasses.replace(ACCOUNT, permissions_boundary=None)).one("Role")
    assert "permissionsBoundary" not in role.inputs


def test_a_session_ends_within_the_hour() -> None:
    assert graph_of().one("Role").inputs["maxSessionDuration"] == 3600


def test_the_arn_is_the_role_s() -> None:
    graph = graph_of()
    assert graph.outputs["arn"].endswith(f":role/{graph.one('Role').inputs['name']}")


def test_the_policy_is_the_role_s_own() -> None:
    graph = graph_of()
    policy = graph.one("RolePolicy")
    assert policy.inputs["role"] == graph.one("Role").inputs["name"]
    assert json.loads(policy.inputs["policy"]) == POLICIES["backup"]


def test_a_policy_may_come_from_other_resources() -> None:
    def program() -> None:
        ServiceRole("backup", arguments(policy=pulumi.Output.from_input(POLICIES["mlflow"])))

    policy = run(program, {}).one("RolePolicy")
    assert json.loads(policy.inputs["policy"]) == POLICIES["mlflow"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("namespace", "ml/flow", "namespace must be 1 to 63 .*, got 'ml/flow'"),
        ("service_account", "*", r"service_account must be 1 to 63 .*, got '\*'"),
        ("issuer", "http://issuer.example.com", "issuer must be an https URL"),
        ("oidc_provider_arn", f"{OIDC_PROVIDER_ARN}0", "must be the provider of the issuer https://oidc.eks."),
    ],
)
def test_bad_arguments_are_refused(field: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arguments(**{field: value})


def test_a_name_longer_than_iam_allows_is_refused() -> None:
    with pytest.raises(ValueError, match="must be at most 64 characters"):
        graph_of(namespace="n" * 60)
