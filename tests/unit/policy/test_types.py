"""Rules apply to every type that can express the same thing. The tests find these types in the SDKs."""

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.support.policies import Breach, Judged, breaches
from tests.support.sdk import nested_of, types_of
from tests.unit.policy.world import DIGEST, POD, document, statement

AWS = types_of("pulumi_aws")
KUBERNETES = types_of("pulumi_kubernetes")
NESTED = nested_of("pulumi_kubernetes")
TEXT = "_builtins.str"
WILD = document(statement(Principal="*", Action="*", Resource="*"))
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
PRIVILEGED = {"containers": [{"name": "web", "securityContext": {"privileged": True}}]}
# Properties that limit permissions and grant none.
LIMITS = {
    ("aws:cloudformation/stack:Stack", "policyBody"),
    ("aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration", "guardrailPolicyArns"),
    ("aws:chatbot/teamsChannelConfiguration:TeamsChannelConfiguration", "guardrailPolicyArns"),
    ("aws:ec2/vpcEndpoint:VpcEndpoint", "policy"),
    ("aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy", "policy"),
    ("aws:eks/podIdentityAssociation:PodIdentityAssociation", "policy"),
    ("aws:emr/studioSessionMapping:StudioSessionMapping", "sessionPolicyArn"),
    ("aws:odb/network:Network", "kmsPolicyDocument"),
    ("aws:odb/network:Network", "s3PolicyDocument"),
    ("aws:odb/network:Network", "stsPolicyDocument"),
    ("aws:organizations/policy:Policy", "content"),
    ("aws:rolesanywhere/profile:Profile", "managedPolicyArns"),
    ("aws:rolesanywhere/profile:Profile", "sessionPolicy"),
    ("aws:transfer/access:Access", "policy"),
    ("aws:transfer/user:User", "policy"),
}


def judged(type_: str, properties: Mapping[str, Any], name: str = "it") -> Judged:
    urn = f"urn:pulumi:prod::aegis::{type_}::{name}"
    return Judged(type=type_, name=name, inputs=properties, outputs=properties, protect=True, urn=urn)


def found(resources: Iterable[Judged], rule: str) -> set[str]:
    return {breach.resource for breach in breaches(resources) if breach.rule == rule}


def of(type_: str, **properties: Any) -> list[Breach]:
    return breaches([judged(type_, properties)])


def rules(type_: str, **properties: Any) -> set[str]:
    return {breach.rule for breach in of(type_, **properties)}


def taking(name: str) -> list[tuple[str, str, str]]:
    """Return the AWS types with a text property of a matching name, with the property and its annotation."""
    return [
        (type_, property_, annotation)
        for type_, schema in AWS.items()
        for property_, annotation in schema.inputs.items()
        if re.search(name, property_, re.IGNORECASE) and TEXT in annotation
    ]


@pytest.mark.parametrize("rule", ["iam-actions-are-named", "no-public-principal"])
@pytest.mark.parametrize("form", [json.dumps, dict], ids=["text", "object"])
def test_a_policy_document_is_judged_in_every_type_that_takes_one(rule: str, form: Any) -> None:
    places = [(type_, name) for type_, name, _ in taking(r"polic|^content$|document$")]
    resources = [judged(type_, {name: form(WILD)}, f"{type_} {name}") for type_, name in places]
    expected = {f"{type_} {name}" for type_, name in places if (type_, name) not in LIMITS}
    assert len(expected) > 100
    assert found(resources, rule) == expected


def test_the_arn_of_a_policy_is_judged_in_every_type_that_takes_one() -> None:
    places = [place for place in taking(r"polic\w*arns?$") if "Boundary" not in place[1]]
    resources = [
        judged(type_, {name: [ADMINISTRATOR] if "Sequence" in annotation else ADMINISTRATOR}, f"{type_} {name}")
        for type_, name, annotation in places
    ]
    expected = {f"{type_} {name}" for type_, name, _ in places if (type_, name) not in LIMITS}
    assert "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive policyArns" in expected
    assert found(resources, "iam-policies-are-own") == expected


def test_every_type_that_can_be_public_must_be_private() -> None:
    places = {type_ for type_, schema in AWS.items() if "publiclyAccessible" in schema.inputs}
    assert len(places) > 10
    assert (
        found([judged(type_, {"publiclyAccessible": True}, type_) for type_ in places], "database-is-private") == places
    )


def test_every_type_that_can_be_unencrypted_must_be_encrypted() -> None:
    places = {type_ for type_, schema in AWS.items() if "storageEncrypted" in schema.inputs}
    assert found([judged(type_, {}, type_) for type_ in places], "database-is-encrypted") == places


def path_to_pods(inputs: Mapping[str, str]) -> list[str] | None:
    """Return the shortest path from a type's inputs to a pod spec, with `[]` for the members of a list."""
    waiting: deque[tuple[list[str], Mapping[str, str]]] = deque([([], inputs)])
    visited: set[str] = set()
    while waiting:
        path, properties = waiting.popleft()
        for name, annotation in properties.items():
            listed = ["[]"] if "Sequence" in annotation else []
            for nested in re.findall(r"(\w+Args)'", annotation):
                if nested in ("PodSpecArgs", "PodSpecPatchArgs"):
                    return [*path, name, *listed]
                if nested not in visited:
                    visited.add(nested)
                    waiting.append(([*path, name, *listed], NESTED.get(nested, {})))
    return None


def put(path: list[str], value: Any) -> Any:
    for part in reversed(path):
        value = [value] if part == "[]" else {part: value}
    return value


def with_pods() -> dict[str, list[str]]:
    paths = {type_: path_to_pods(schema.inputs) for type_, schema in KUBERNETES.items()}
    return {type_: path for type_, path in paths.items() if path}


@pytest.mark.parametrize(
    ("rule", "pod"),
    [
        ("container-gains-no-privileges", PRIVILEGED),
        ("container-gains-no-privileges", {"ephemeralContainers": PRIVILEGED["containers"]}),
        ("pod-stays-off-its-node", {"hostNetwork": True}),
        ("image-by-digest", {"containers": [{"name": "web", "image": "web:1"}]}),
        ("no-plain-secret", {"containers": [{"name": "web", "env": [{"name": "TOKEN", "value": "hunter2"}]}]}),
    ],
)
def test_pods_are_judged_in_every_type_that_has_them(rule: str, pod: dict[str, Any]) -> None:
    paths = with_pods()
    assert {"kubernetes:apps/v1:DeploymentPatch", "kubernetes:extensions/v1beta1:DaemonSet"} <= set(paths)
    assert {"kubernetes:batch/v1beta1:CronJobList", "kubernetes:core/v1:PodTemplatePatch"} <= set(paths)
    assert found([judged(type_, put(path, pod), type_) for type_, path in paths.items()], rule) == set(paths)


@pytest.mark.parametrize(
    ("kind", "rule", "properties"),
    [
        ("core/v1:ConfigMap", "no-plain-secret", {"data": {"PASSWORD": "hunter2"}}),
        ("core/v1:Service", "service-is-internal", {"spec": {"type": "LoadBalancer"}}),
        (
            "core/v1:Namespace",
            "namespace-is-restricted",
            {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
        ),
        (
            "storage.k8s.io/v1:StorageClass",
            "volume-is-encrypted",
            {"provisioner": "ebs.csi.aws.com", "parameters": {"encrypted": "false"}},
        ),
        (
            "storage.k8s.io/v1beta1:StorageClass",
            "volume-is-encrypted",
            {"provisioner": "ebs.csi.aws.com", "parameters": {"encrypted": "false"}},
        ),
    ],
)
def test_a_patch_and_a_list_are_judged_like_the_object(kind: str, rule: str, properties: dict[str, Any]) -> None:
    assert rules(f"kubernetes:{kind}", **properties) == {rule}
    assert rules(f"kubernetes:{kind}Patch", **properties) == {rule}
    assert rules(f"kubernetes:{kind}List", items=[properties]) == {rule}


def test_a_breach_in_a_list_names_the_member() -> None:
    [breach] = of("kubernetes:core/v1:ConfigMapList", items=[{"data": {}}, {"data": {"PASSWORD": "hunter2"}}])
    assert breach.text == "items[1]: data.PASSWORD is named like a secret."


@pytest.mark.parametrize(
    "properties",
    [
        {"metadata": {"annotations": {"team": "ml"}}},
        {"spec": {"replicas": 3.0}},
        {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": f"web@sha256:{DIGEST}"}]}}}},
        {"spec": {"template": {"spec": {"nodeSelector": {"pool": "gpu"}}}}},
    ],
)
def test_a_missing_member_of_a_patch_breaks_no_rule(properties: dict[str, Any]) -> None:
    assert rules("kubernetes:apps/v1:DeploymentPatch", **properties) == set()


@pytest.mark.parametrize("type_", ["NamespacePatch", "ServicePatch", "ConfigMapPatch", "SecretPatch"])
def test_a_patch_of_labels_breaks_no_rule(type_: str) -> None:
    assert rules(f"kubernetes:core/v1:{type_}", metadata={"name": "mlflow", "labels": {"team": "ml"}}) == set()


def test_the_containers_of_an_extensions_object_are_judged() -> None:
    predictor = {"spec": {"predictor": PRIVILEGED}}
    assert rules("kubernetes:serving.kserve.io/v1beta1:InferenceService", **predictor) == {
        "container-gains-no-privileges"
    }


def test_a_missing_member_of_an_extensions_object_breaks_no_rule() -> None:
    bare = {"spec": {"predictor": {"containers": [{"name": "web", "image": f"web@sha256:{DIGEST}"}]}}}
    assert rules("kubernetes:serving.kserve.io/v1beta1:InferenceService", **bare) == set()
    assert rules("kubernetes:batch.volcano.sh/v1alpha1:Job", spec={"tasks": [{"template": {"spec": POD}}]}) == set()


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        ("aws:lambda/permission:Permission", {"action": "lambda:InvokeFunction", "principal": "*"}),
        ("aws:lambda/layerVersionPermission:LayerVersionPermission", {"action": "lambda:Get", "principal": "*"}),
        ("aws:cloudwatch/eventPermission:EventPermission", {"principal": "*"}),
        ("aws:ec2/vpcEndpointService:VpcEndpointService", {"allowedPrincipals": ["*"]}),
        ("aws:ec2/vpcEndpointServiceAllowedPrinciple:VpcEndpointServiceAllowedPrinciple", {"principalArn": "*"}),
    ],
)
def test_a_grant_without_a_document_must_name_its_principals(type_: str, properties: dict[str, Any]) -> None:
    assert rules(type_, **properties) == {"no-public-principal"}


def test_an_organization_counts_as_a_named_principal() -> None:
    layer = {"action": "lambda:GetLayerVersion", "principal": "*", "organizationId": "o-1"}
    assert rules("aws:lambda/layerVersionPermission:LayerVersionPermission", **layer) == set()


def test_a_permission_must_name_its_actions() -> None:
    permission = {"action": "lambda:*", "principal": "events.amazonaws.com"}
    assert rules("aws:lambda/permission:Permission", **permission) == {"iam-actions-are-named"}


@pytest.mark.parametrize("form", [json.dumps, dict], ids=["text", "object"])
def test_a_document_inside_a_template_is_judged(form: Any) -> None:
    template = {"Resources": {"Role": {"Properties": {"Policies": [{"PolicyDocument": WILD}]}}}}
    assert "iam-actions-are-named" in rules("aws:cloudformation/stack:Stack", templateBody=form(template))


def test_the_elements_of_a_document_are_read_in_any_case() -> None:
    sloppy = {"statement": [{"effect": "Allow", "action": "s3:*", "resource": "arn:aws:s3:::artifacts/*"}]}
    assert rules("aws:iam/policy:Policy", policy=json.dumps(sloppy)) >= {"iam-actions-are-named"}


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        ("aws:sqs/queue:Queue", {"redrivePolicy": json.dumps({"maxReceiveCount": 3})}),
        (
            "aws:ecr/lifecyclePolicy:LifecyclePolicy",
            {"policy": json.dumps({"rules": [{"rulePriority": 1}]})},
        ),
        # A statement about the data to mask, for everyone.
        (
            "aws:sns/dataProtectionPolicy:DataProtectionPolicy",
            {"policy": json.dumps({"Statement": [{"DataDirection": "Inbound", "Principal": ["*"], "Operation": {}}]})},
        ),
        ("aws:wafv2/ruleGroup:RuleGroup", {"rules": [{"statement": {"geoMatchStatement": {"countryCodes": ["*"]}}}]}),
        ("aws:iam/userPolicyAttachment:UserPolicyAttachment", {"policyArn": "arn:aws:iam::123456789012:policy/own"}),
        ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"policyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}),
        (
            "aws:apigateway/restApiPolicy:RestApiPolicy",
            {
                "policy": json.dumps(
                    document(
                        statement(
                            Principal={"AWS": "arn:aws:iam::123456789012:role/one"},
                            Action="execute-api:Invoke",
                            Resource="execute-api:/*",
                        )
                    )
                )
            },
        ),
        ("aws:sqs/queue:Queue", {"policy": "{"}),
        ("aws:sqs/queue:Queue", {"policy": '{"Statement": ' + "[" * 100_000}),
        ("aws:sqs/queue:Queue", {"policy": json.dumps({"Statement": [1, None, "Effect"]})}),
    ],
)
def test_a_resource_that_grants_nothing_breaks_no_rule(type_: str, properties: dict[str, Any]) -> None:
    assert rules(type_, **properties) == set()


ROOT = document(statement(Principal={"AWS": "arn:aws:iam::111111111111:root"}, Action="kms:*", Resource="*"))


def test_a_key_stays_in_the_account_of_its_provider() -> None:
    keys = [type_ for type_, schema in AWS.items() if type_.startswith("aws:kms/") and "policy" in schema.inputs]
    for allowed, broken in (('["111111111111"]', set()), ('["222222222222"]', set(keys)), (None, set())):
        provider = {"allowedAccountIds": allowed} if allowed else {}
        resources = [replace(judged(type_, {"policy": ROOT}, type_), provider=provider) for type_ in keys]
        assert found(resources, "key-stays-in-its-account") == broken
    assert len(keys) == 5
