"""A small world of resources that breaks no rule, and changed copies of it."""

import copy
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from tests.support.policies import Judged

DIGEST = "0" * 64
TAGS = {"Environment": "prod", "Owner": "ml", "CostCenter": "1"}
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/0123"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


class Absent(Enum):
    """A stand-in for a missing value or resource."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


def statement(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", **elements}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


CONTAINER = {
    "name": "server",
    "image": f"registry.example.com/mlflow@sha256:{DIGEST}",
    "command": ["mlflow", "server"],
    "env": [
        {"name": "MLFLOW_PORT", "value": "5000"},
        {"name": "ADMIN_PASSWORD_FILE", "value": "/run/secrets/admin"},
        {"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}}},
        {"name": "STORE_URI", "value": "postgresql://mlflow:$(DATABASE_PASSWORD)@db:5432/mlflow"},
        {"name": "ADMIN_SECRET", "value": "arn:aws:secretsmanager:us-west-2:123456789012:secret:admin"},
    ],
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
}
POD = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [CONTAINER],
}

# Types and properties of the resources, by a short name.
WORLD: dict[str, tuple[str, dict[str, Any]]] = {
    "bucket": ("aws:s3/bucket:Bucket", {"bucket": "artifacts", "tags": TAGS}),
    "block": (
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {
            "bucket": "artifacts",
            "blockPublicAcls": True,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": True,
        },
    ),
    "ownership": (
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        {"bucket": "artifacts", "rule": {"objectOwnership": "BucketOwnerEnforced"}},
    ),
    "encryption": (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {"bucket": "artifacts", "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}]},
    ),
    "versioning": (
        "aws:s3/bucketVersioning:BucketVersioning",
        {"bucket": "artifacts", "versioningConfiguration": {"status": "Enabled"}},
    ),
    "bucket-policy": (
        "aws:s3/bucketPolicy:BucketPolicy",
        {
            "bucket": "artifacts",
            "policy": document(
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": ["arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
                statement(
                    Sid="Logs",
                    Principal={"Service": "logging.s3.amazonaws.com"},
                    Action="s3:PutObject",
                    Resource="arn:aws:s3:::artifacts/logs/*",
                ),
            ),
        },
    ),
    "database": (
        "aws:rds/instance:Instance",
        {
            "publiclyAccessible": False,
            "storageEncrypted": True,
            "parameterGroupName": "postgres",
            "deletionProtection": True,
            "skipFinalSnapshot": False,
            "finalSnapshotIdentifier": "last",
            "tags": TAGS,
        },
    ),
    "parameters": (
        "aws:rds/parameterGroup:ParameterGroup",
        {"name": "postgres", "parameters": [{"name": "rds.force_ssl", "value": "1"}], "tags": TAGS},
    ),
    "key": (
        "aws:kms/key:Key",
        {
            "enableKeyRotation": True,
            "policy": document(
                statement(Principal={"AWS": "arn:aws:iam::123456789012:root"}, Action="kms:*", Resource="*")
            ),
            "tags": TAGS,
        },
    ),
    "logs": ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 90, "tags": TAGS}),
    "signing-key": ("vault:transit/secretBackendKey:SecretBackendKey", {"deletionAllowed": False}),
    "role": (
        "aws:iam/role:Role",
        {
            "assumeRolePolicy": document(
                statement(
                    Principal={"Federated": f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}"},
                    Action="sts:AssumeRoleWithWebIdentity",
                    Condition={
                        "StringEquals": {
                            f"{ISSUER}:sub": "system:serviceaccount:mlflow:mlflow",
                            f"{ISSUER}:aud": "sts.amazonaws.com",
                        }
                    },
                )
            ),
            "permissionsBoundary": BOUNDARY,
            "tags": TAGS,
        },
    ),
    "replication-role": (
        "aws:iam/role:Role",
        {
            "assumeRolePolicy": document(statement(Principal={"Service": "s3.amazonaws.com"}, Action="sts:AssumeRole")),
            "permissionsBoundary": BOUNDARY,
            "tags": TAGS,
        },
    ),
    "permissions": (
        "aws:iam/rolePolicy:RolePolicy",
        {
            "policy": document(
                statement(Action=["s3:GetObject", "s3:PutObject"], Resource="arn:aws:s3:::artifacts/mlflow/*"),
                statement(Action="ecr:GetAuthorizationToken", Resource="*"),
            )
        },
    ),
    "attachment": (
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        {"policyArn": "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"},
    ),
    "repository": (
        "aws:ecr/repository:Repository",
        {"imageScanningConfiguration": {"scanOnPush": True}, "imageTagMutability": "IMMUTABLE", "tags": TAGS},
    ),
    "group": (
        "aws:ec2/securityGroup:SecurityGroup",
        {"ingress": [{"cidrBlocks": ["10.0.0.0/16"]}], "egress": [{"cidrBlocks": ["0.0.0.0/0"]}], "tags": TAGS},
    ),
    "ingress": (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv4": "10.0.0.0/16", "tags": TAGS},
    ),
    "namespace": (
        "kubernetes:core/v1:Namespace",
        {"metadata": {"name": "mlflow", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
    ),
    "service": (
        "kubernetes:core/v1:Service",
        {"metadata": {"name": "mlflow", "namespace": "mlflow"}, "spec": {"type": "ClusterIP"}},
    ),
    "storage-class": (
        "kubernetes:storage.k8s.io/v1:StorageClass",
        {"provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3", "encrypted": "true"}},
    ),
    "config": (
        "kubernetes:core/v1:ConfigMap",
        {"data": {"MLFLOW_HOST": "127.0.0.1", "TOKEN_PATH": "/var/run/token", "ca.pem": "-----BEGIN CERTIFICATE-----"}},
    ),
    "deployment": ("kubernetes:apps/v1:Deployment", {"spec": {"template": {"spec": POD}}}),
    "cron-job": (
        "kubernetes:batch/v1:CronJob",
        {"spec": {"jobTemplate": {"spec": {"template": {"spec": {**POD, "initContainers": [CONTAINER]}}}}}},
    ),
}


def urn(name: str) -> str:
    return f"urn:pulumi:prod::aegis::{WORLD[name][0]}::{name}"


Place = tuple[str | int, ...]


def place(text: str) -> Place:
    """Return the place in the world for a text such as `bucket.tags.Owner`."""
    return tuple(int(part) if part.isdigit() else part for part in text.split("."))


def places(tree: Any = None, above: Place = ()) -> Iterator[Place]:
    """Yield every place in the world below its resources, of single values, dictionaries and lists."""
    tree = {name: inputs for name, (_, inputs) in WORLD.items()} if tree is None else tree
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if above:
            yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


def world(
    *changes: tuple[str | Place, Any], sources: Mapping[str, Mapping[str, list[str]]] | None = None
) -> list[Judged]:
    """Return the world after changes, each a place and its new value.

    `sources` gives, by resource and property, the resources that the property comes from.
    """
    properties = {name: copy.deepcopy(inputs) for name, (_, inputs) in WORLD.items()}
    protected = dict.fromkeys(properties, True)
    for where, value in changes:
        path = place(where) if isinstance(where, str) else where
        if path[1:] == ("protect",):
            protected[str(path[0])] = value
        else:
            _put(properties, path, value)
    return [
        Judged(
            type=WORLD[name][0],
            name=name,
            inputs=inputs,
            outputs=inputs,
            protect=protected[name],
            sources={key: list(map(urn, of)) for key, of in (sources or {}).get(name, {}).items()},
            urn=urn(name),
        )
        for name, inputs in properties.items()
    ]


def _put(tree: Any, where: Place, value: Any) -> None:
    *above, last = where
    for key in above:
        tree = tree[key]
    if value is ABSENT:
        del tree[last]
    else:
        tree[last] = value
