"""A value that a preview doesn't know breaks no rule, and hides no known breach."""

from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE as UNKNOWN

from tests.support.policies import breaches
from tests.unit.policy.world import ABSENT, ISSUER, Place, places, statement, urn, world

POD = "deployment.spec.template.spec"
SERVER = f"{POD}.containers.0"
CLAIMS = "role.assumeRolePolicy.Statement.0.Condition.StringEquals"
WILD = statement(Action="*", Resource="arn:a")
LOGS = statement(Sid="Logs", Action="s3:PutObject", Resource=UNKNOWN)
OTHER = "replication-role"
CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": False}
# Other resources refer to these, see the tests of references below.
NAMES: set[Place] = {("bucket", "bucket"), ("parameters", "name")}


@pytest.mark.parametrize("where", sorted(set(places()) - NAMES, key=str), ids=lambda where: ".".join(map(str, where)))
def test_an_unknown_value_breaks_no_rule(where: Place) -> None:
    assert breaches(world((where, UNKNOWN))) == []


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("iam-actions-are-named", [("permissions.policy.Statement", [UNKNOWN, WILD])]),
        ("iam-actions-are-named", [("permissions.policy.Statement.0.Action", [UNKNOWN, "s3:*"])]),
        ("iam-resources-are-named", [("permissions.policy.Statement.0.Resource", [UNKNOWN, "*"])]),
        ("iam-trust-is-exact", [(CLAIMS, {f"{ISSUER}:sub": UNKNOWN})]),
        ("iam-role-has-boundary", [("role.permissionsBoundary", UNKNOWN), (f"{OTHER}.permissionsBoundary", ABSENT)]),
        ("bucket-requires-tls", [("bucket-policy.policy.Statement", [LOGS])]),
        ("bucket-blocks-public-access", [("block.blockPublicAcls", UNKNOWN), ("block.blockPublicPolicy", False)]),
        ("data-is-protected", [("database.deletionProtection", UNKNOWN), ("database.skipFinalSnapshot", True)]),
        ("container-root-is-read-only", [(f"{SERVER}.image", UNKNOWN), (f"{SERVER}.securityContext", CONFINED)]),
        ("image-by-digest", [(f"{POD}.initContainers", UNKNOWN), (f"{SERVER}.image", "mlflow:3")]),
        ("no-plain-secret", [("config.data.url", UNKNOWN), ("config.data.PASSWORD", "hunter2")]),
        ("aws-resource-is-tagged", [("bucket.tags", {"Environment": UNKNOWN, "Owner": "ml"})]),
        ("security-group-is-closed", [("group.ingress.0.cidrBlocks", [UNKNOWN, "0.0.0.0/0"])]),
    ],
)  # fmt: skip
def test_a_known_breach_is_found_beside_an_unknown_value(rule: str, changes: list[tuple[str, Any]]) -> None:
    assert {breach.rule for breach in breaches(world(*changes))} == {rule}


COMPANIONS = ("block", "encryption", "versioning", "bucket-policy")


def unnamed(*companions: str, of: str = "bucket") -> tuple[list[tuple[str, Any]], dict[str, dict[str, list[str]]]]:
    """Return changes for a bucket that AWS will name, and companions whose bucket comes from the resource `of`."""
    changes = [("bucket.bucket", UNKNOWN), *((f"{name}.bucket", UNKNOWN) for name in companions)]
    return changes, {name: {"bucket": [of]} for name in companions}


def test_the_companions_of_an_unnamed_bucket_are_found_by_their_sources() -> None:
    changes, sources = unnamed(*COMPANIONS)
    assert breaches(world(*changes, sources=sources)) == []


def test_the_companions_of_another_unnamed_bucket_protect_only_that() -> None:
    changes, sources = unnamed(*COMPANIONS, of="key")
    assert {breach.rule for breach in breaches(world(*changes, sources=sources))} == {
        "bucket-blocks-public-access",
        "bucket-is-encrypted",
        "bucket-is-versioned",
        "bucket-requires-tls",
    }


def test_an_unnamed_parameter_group_is_found_by_the_sources_of_the_database() -> None:
    unknown = [("parameters.name", UNKNOWN), ("database.parameterGroupName", UNKNOWN)]
    weak = ("parameters.parameters", [])
    assert breaches(world(*unknown, sources={"database": {"parameterGroupName": ["parameters"]}})) == []
    assert [
        breach.rule
        for breach in breaches(world(*unknown, weak, sources={"database": {"parameterGroupName": ["parameters"]}}))
    ] == ["database-requires-tls"]


def test_a_breach_names_the_resource_that_lacks_something() -> None:
    [breach] = breaches(world(("versioning", ABSENT)))
    assert (breach.resource, breach.text) == ("bucket", "It has no BucketVersioning.")
    assert urn("bucket").endswith("::bucket")
