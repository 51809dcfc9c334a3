"""Each rule, tested with single changes to a world that breaks none."""

import base64
import json
from typing import Any

import pytest

from policy.rules import RULES
from tests.support.policies import breaches
from tests.unit.policy.world import ABSENT, ISSUER, WORLD, document, statement, world

POD = "deployment.spec.template.spec"
SERVER = f"{POD}.containers.0"
BACKUP = "cron-job.spec.jobTemplate.spec.template.spec.initContainers.0"
TRUST = "role.assumeRolePolicy.Statement.0"
CLAIMS = f"{TRUST}.Condition.StringEquals"
TLS = "bucket-policy.policy.Statement.0"
ALLOWED = "permissions.policy.Statement.0"
ACCOUNT = {"AWS": "arn:aws:iam::123456789012:root"}
OBJECTS = "arn:aws:s3:::artifacts/*"
PUBLIC = statement(Principal="*", Action="s3:GetObject", Resource=OBJECTS)
EXAMPLE_KEY = "AKIA" + "IOSFODNN7EXAMPLE"
PRIVATE_KEY = "-----BEGIN EC " + "PRIVATE KEY-----\nMHc"
VAULT_TOKEN = "hvs." + "0123456789" * 3

# The only rule that a change breaks, the place of the change in the world, and the new value.
BREACHES: list[tuple[str, str, Any]] = [
    ("bucket-blocks-public-access", "block", ABSENT),
    ("bucket-blocks-public-access", "block.bucket", "another"),
    ("bucket-blocks-public-access", "block.blockPublicAcls", False),
    ("bucket-blocks-public-access", "block.blockPublicPolicy", ABSENT),
    ("bucket-blocks-public-access", "block.ignorePublicAcls", False),
    ("bucket-blocks-public-access", "block.restrictPublicBuckets", False),
    ("bucket-has-no-acl", "bucket.acl", "public-read"),
    ("bucket-has-no-acl", "bucket.grants", [{"type": "Group", "permissions": ["READ"]}]),
    ("bucket-has-no-acl", "ownership.rule.objectOwnership", "ObjectWriter"),
    ("bucket-is-encrypted", "encryption", ABSENT),
    ("bucket-is-encrypted", "encryption.bucket", "another"),
    ("bucket-is-encrypted", "encryption.rules.0.applyServerSideEncryptionByDefault", ABSENT),
    ("bucket-is-encrypted", "encryption.rules", []),
    ("bucket-is-versioned", "versioning", ABSENT),
    ("bucket-is-versioned", "versioning.versioningConfiguration.status", "Suspended"),
    ("bucket-requires-tls", "bucket-policy", ABSENT),
    ("bucket-requires-tls", TLS, ABSENT),
    ("bucket-requires-tls", f"{TLS}.Action", "s3:GetObject"),
    ("bucket-requires-tls", f"{TLS}.Principal", {"AWS": "arn:aws:iam::123456789012:role/one"}),
    ("bucket-requires-tls", f"{TLS}.Resource", "arn:aws:s3:::artifacts"),
    ("bucket-requires-tls", f"{TLS}.Resource", "arn:aws:s3:::artifacts/*"),
    ("bucket-requires-tls", f"{TLS}.Resource", ["arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/mlflow/*"]),
    ("bucket-requires-tls", f"{TLS}.Condition.IpAddress", {"aws:SourceIp": "10.0.0.0/8"}),
    ("bucket-requires-tls", f"{TLS}.Condition.Bool", {"aws:SecureTransport": "true"}),
    ("database-is-private", "database.publiclyAccessible", True),
    ("database-is-encrypted", "database.storageEncrypted", False),
    ("database-is-encrypted", "database.storageEncrypted", ABSENT),
    ("database-requires-tls", "parameters", ABSENT),
    ("database-requires-tls", "parameters.parameters", []),
    ("database-requires-tls", "parameters.parameters.0.value", "0"),
    ("database-requires-tls", "database.parameterGroupName", "default.postgres16"),
    ("database-requires-tls", "database.parameterGroupName", ABSENT),
    ("data-is-protected", "database.protect", False),
    ("data-is-protected", "database.deletionProtection", False),
    ("data-is-protected", "database.deletionProtection", ABSENT),
    ("data-is-protected", "database.skipFinalSnapshot", True),
    ("data-is-protected", "database.finalSnapshotIdentifier", ABSENT),
    ("data-is-protected", "bucket.protect", False),
    ("data-is-protected", "bucket.forceDestroy", True),
    ("data-is-protected", "key.protect", False),
    ("data-is-protected", "repository.forceDelete", True),
    ("data-is-protected", "signing-key.protect", False),
    ("data-is-protected", "signing-key.deletionAllowed", True),
    ("key-rotates", "key.enableKeyRotation", False),
    ("key-rotates", "key.enableKeyRotation", ABSENT),
    ("logs-expire", "logs.retentionInDays", 0),
    ("logs-expire", "logs.retentionInDays", ABSENT),
    ("iam-actions-are-named", f"{ALLOWED}.Action", "*"),
    ("iam-actions-are-named", f"{ALLOWED}.Action", ["s3:GetObject", "s3:Put*"]),
    ("iam-actions-are-named", f"{ALLOWED}.NotAction", "iam:CreateUser"),
    ("iam-actions-are-named", "permissions.policy", json.dumps(document(statement(Action="s3:*", Resource="arn:a")))),
    ("iam-actions-are-named", "permissions.policy.Statement", statement(Action="s3:?etObject", Resource="arn:a")),
    ("iam-actions-are-named", "role.inlinePolicies", [{"policy": document(statement(Action="*", Resource="arn:a"))}]),
    ("iam-actions-are-named", "bucket-policy.policy.Statement.1.Action", "s3:*"),
    ("iam-actions-are-named", "key.policy.Statement.0.Principal.AWS", "arn:aws:iam::123456789012:role/admin"),
    ("iam-actions-are-named", "key.policy.Statement.0.Principal", {"Service": "logs.amazonaws.com"}),
    ("iam-actions-are-named", "role.assumeRolePolicy.Statement.0.Action", "sts:*"),
    ("iam-actions-are-named", "replication-role.assumeRolePolicy.Statement.0.Action", ["sts:AssumeRole", "*"]),
    ("iam-actions-are-named", "bucket.policy", document(statement(Principal=ACCOUNT, Action="s3:*", Resource=OBJECTS))),
    ("iam-resources-are-named", f"{ALLOWED}.Resource", "*"),
    ("iam-resources-are-named", f"{ALLOWED}.Resource", ["arn:aws:s3:::artifacts/mlflow/*", "arn:aws:s3:::*"]),
    ("iam-resources-are-named", f"{ALLOWED}.Resource", "arn:aws:s3:::*/*"),
    ("iam-resources-are-named", f"{ALLOWED}.Resource", "arn:aws:rds-db:us-west-2:*:dbuser:db-1/mlflow"),
    ("iam-resources-are-named", f"{ALLOWED}.Resource", "arn:aws:iam::123456789012:role/*"),
    ("iam-resources-are-named", f"{ALLOWED}.Resource", "arn:aws:rds-db:us-west-2:123456789012:dbuser:*/mlflow"),
    ("iam-resources-are-named", f"{ALLOWED}.Resource", "arn:aws:secretsmanager:us-west-2:123456789012:secret:*"),
    ("iam-resources-are-named", f"{ALLOWED}.NotResource", "arn:aws:s3:::other"),
    ("no-public-principal", "bucket-policy.policy.Statement.1.Principal", "*"),
    ("no-public-principal", "bucket-policy.policy.Statement.1.Principal", {"AWS": ["*"]}),
    ("no-public-principal", "bucket-policy.policy.Statement.1.NotPrincipal", {"AWS": "arn:aws:iam::1:root"}),
    ("no-public-principal", "bucket.policy", json.dumps(document(PUBLIC))),
    ("no-public-principal", "replication-role.assumeRolePolicy.Statement.0.Principal", {"AWS": "*"}),
    ("iam-policies-are-own", "attachment.policyArn", "arn:aws:iam::aws:policy/AdministratorAccess"),
    ("iam-trust-is-exact", f"{TRUST}.Condition", ABSENT),
    ("iam-trust-is-exact", CLAIMS, {f"{ISSUER}:sub": "system:serviceaccount:mlflow:mlflow"}),
    ("iam-trust-is-exact", CLAIMS, {f"{ISSUER}:aud": "sts.amazonaws.com"}),
    ("iam-trust-is-exact", CLAIMS, {f"{ISSUER}:sub": "*", f"{ISSUER}:aud": "sts.amazonaws.com"}),
    ("iam-trust-is-exact", f"{TRUST}.Condition", {"StringLike": {f"{ISSUER}:sub": "*", f"{ISSUER}:aud": "*"}}),
    ("iam-role-has-boundary", "role.permissionsBoundary", ABSENT),
    ("iam-role-has-boundary", "replication-role.permissionsBoundary", "arn:aws:iam::123456789012:policy/another"),
    ("key-stays-in-its-account", "key.policy.Statement.0.Principal.AWS", "arn:aws:iam::999999999999:root"),
    ("key-stays-in-its-account", "key.policy.Statement.0.Principal.AWS", "999999999999"),
    ("repository-scans-images", "repository.imageScanningConfiguration.scanOnPush", False),
    ("repository-scans-images", "repository.imageScanningConfiguration", ABSENT),
    ("repository-tags-are-immutable", "repository.imageTagMutability", "MUTABLE"),
    ("repository-tags-are-immutable", "repository.imageTagMutability", ABSENT),
    ("container-is-not-root", f"{POD}.securityContext", ABSENT),
    ("container-is-not-root", f"{POD}.securityContext.runAsUser", 0.0),
    ("container-is-not-root", f"{SERVER}.securityContext.runAsNonRoot", False),
    ("container-is-not-root", f"{SERVER}.securityContext.runAsUser", 0.0),
    ("container-gains-no-privileges", f"{SERVER}.securityContext.allowPrivilegeEscalation", ABSENT),
    ("container-gains-no-privileges", f"{BACKUP}.securityContext.allowPrivilegeEscalation", True),
    ("container-gains-no-privileges", f"{SERVER}.securityContext.privileged", True),
    ("container-root-is-read-only", f"{SERVER}.securityContext.readOnlyRootFilesystem", False),
    ("container-root-is-read-only", f"{BACKUP}.securityContext.readOnlyRootFilesystem", ABSENT),
    ("container-drops-capabilities", f"{SERVER}.securityContext.capabilities", ABSENT),
    ("container-drops-capabilities", f"{SERVER}.securityContext.capabilities.drop", ["NET_RAW"]),
    ("container-drops-capabilities", f"{SERVER}.securityContext.capabilities.add", ["SYS_ADMIN"]),
    ("container-is-sized", f"{SERVER}.resources", ABSENT),
    ("container-is-sized", f"{SERVER}.resources.requests.cpu", ABSENT),
    ("container-is-sized", f"{BACKUP}.resources.limits.memory", ABSENT),
    ("container-is-sized", f"{SERVER}.resources.limits.cpu", "0"),
    ("pod-stays-off-its-node", f"{POD}.hostNetwork", True),
    ("pod-stays-off-its-node", f"{POD}.hostPID", True),
    ("pod-stays-off-its-node", f"{POD}.volumes.0", {"name": "docker", "hostPath": {"path": "/var/run/docker.sock"}}),
    ("pod-stays-off-its-node", f"{SERVER}.ports", [{"containerPort": 80.0, "hostPort": 80.0}]),
    ("image-by-digest", f"{SERVER}.image", "registry.example.com/mlflow:3.17"),
    ("image-by-digest", f"{BACKUP}.image", "registry.example.com/mlflow@sha256:0123"),
    ("no-plain-secret", "config.data.DATABASE_PASSWORD", "hunter2"),
    ("no-plain-secret", "config.data.aws_secret_access_key", "wJalrXUtnFEMI"),
    ("no-plain-secret", "config.data.settings", "uri = postgresql://mlflow:hunter2@db/mlflow"),
    ("no-plain-secret", "config.data.credentials", f"id={EXAMPLE_KEY}"),
    ("no-plain-secret", "config.data.tls", PRIVATE_KEY),
    ("no-plain-secret", "config.data.PGPASSWORD", "hunter2"),
    ("no-plain-secret", "config.data.DB_PASS", "hunter2"),
    ("no-plain-secret", "config.data.dbPassword", "hunter2"),
    ("no-plain-secret", "config.data.apiKey", "hunter2"),
    ("no-plain-secret", "config.data.ini", "[mlflow]\nadmin_username = admin\nadmin_password = password1234\n"),
    ("no-plain-secret", "config.data.yaml", "database:\n  password: hunter2\n"),
    ("no-plain-secret", "config.data.properties", "datasource.password=hunter/2"),
    ("no-plain-secret", "config.data.json", '{"password": "hunter2"}'),
    ("no-plain-secret", "config.data.jdbc", "jdbc:postgresql://db/mlflow?user=mlflow&password=hunter2"),
    ("no-plain-secret", "config.data.vault", f"VAULT_TOKEN={VAULT_TOKEN}"),
    ("no-plain-secret", "config.data.pgp", PRIVATE_KEY.replace("EC PRIVATE KEY", "PGP PRIVATE KEY BLOCK")),
    ("no-plain-secret", "config.binaryData", {"password": base64.b64encode(b"hunter2").decode()}),
    ("no-plain-secret", "config.binaryData", {"tls": base64.b64encode(PRIVATE_KEY.encode()).decode()}),
    ("no-plain-secret", f"{SERVER}.command.1", "--password=hunter2"),
    ("no-plain-secret", f"{SERVER}.env.0", {"name": "PGPASSWORD", "value": "hunter2"}),
    ("no-plain-secret", f"{SERVER}.env.0", {"name": "VAULT_TOKEN", "value": "hvs.0123"}),
    ("no-plain-secret", f"{SERVER}.env.0.value", EXAMPLE_KEY),
    ("no-plain-secret", f"{SERVER}.command.1", "--store=postgresql://mlflow:hunter2@db/mlflow"),
    ("no-plain-secret", f"{BACKUP}.args", [PRIVATE_KEY]),
    ("aws-resource-is-tagged", "bucket.tags", ABSENT),
    ("aws-resource-is-tagged", "role.tags.Owner", ABSENT),
    ("aws-resource-is-tagged", "database.tags.CostCenter", ""),
    ("service-is-internal", "service.spec.type", "LoadBalancer"),
    ("service-is-internal", "service.spec.type", "NodePort"),
    ("namespace-is-restricted", "namespace.metadata.labels", ABSENT),
    ("namespace-is-restricted", "namespace.metadata.labels", {"pod-security.kubernetes.io/enforce": "baseline"}),
    ("security-group-is-closed", "group.ingress.0.cidrBlocks", ["10.0.0.0/16", "0.0.0.0/0"]),
    ("security-group-is-closed", "group.ingress.0.cidrBlocks", ["0.0.0.0/1", "128.0.0.0/1"]),
    ("security-group-is-closed", "group.ingress.0.ipv6CidrBlocks", ["::/0"]),
    ("security-group-is-closed", "ingress.cidrIpv4", "0.0.0.0/0"),
    ("volume-is-encrypted", "storage-class.parameters.encrypted", ABSENT),
    ("volume-is-encrypted", "storage-class.parameters.encrypted", "false"),
    ("volume-is-encrypted", "storage-class.parameters", ABSENT),
]

# Changes that break no rule.
PASSING: list[tuple[str, Any]] = [
    ("bucket.acl", "private"),
    ("encryption.rules.0.applyServerSideEncryptionByDefault.sseAlgorithm", "AES256"),
    ("bucket-policy.policy", json.dumps(WORLD["bucket-policy"][1]["policy"])),
    ("parameters.parameters.0", {"name": "require_secure_transport", "value": "ON"}),
    ("key.customerMasterKeySpec", "ECC_NIST_P256"),
    ("key.policy.Statement.0.Principal.AWS", "123456789012"),
    (f"{SERVER}.securityContext.capabilities.add", ["NET_BIND_SERVICE"]),
    (f"{SERVER}.ports", [{"containerPort": 5000.0}]),
    ("service.spec", {}),
    ("config.data", ABSENT),
    ("config.data.PASSWORD", ""),
    ("group.ingress.0.cidrBlocks", ["10.0.0.0/8"]),
    ("config.data.MONKEY", "chimpanzee"),
    ("config.data.script", 'export PGPASSWORD="$(cat /run/secrets/password)"; psql password=$PGPASSWORD'),
    ("config.data.yaml", "password: null\npassword_file: /run/secrets/password\npassword: /run/secrets/password\n"),
    ("config.data.yaml", "password:\n  name: database\n"),
    ("config.binaryData", {"logo": "iVBORw0KGgo=", "broken": "a"}),
    ("storage-class", WORLD["storage-class"][1] | {"provisioner": "rancher.io/local-path", "parameters": {}}),
]


@pytest.mark.parametrize(("rule", "place", "value"), BREACHES, ids=lambda value: str(value)[:40])
def test_a_harmful_change_breaks_exactly_one_rule(rule: str, place: str, value: Any) -> None:
    assert {breach.rule for breach in breaches(world((place, value)))} == {rule}


@pytest.mark.parametrize(("place", "value"), PASSING, ids=lambda value: str(value)[:40])
def test_a_harmless_change_breaks_no_rule(place: str, value: Any) -> None:
    assert breaches(world((place, value))) == []


def test_the_world_breaks_no_rule() -> None:
    assert breaches(world()) == []


def test_every_rule_has_a_change_that_breaks_it() -> None:
    assert {rule for rule, *_ in BREACHES} == {rule.name for rule in RULES}
