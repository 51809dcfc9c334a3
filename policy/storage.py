"""Rules about where data lies: buckets, databases and volumes are encrypted, private, and reached over TLS.

A bucket's protections are resources beside the bucket, so most of these rules look at several resources of a stack.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from policy import aws
from policy.documents import Statement, may_deny, statements
from policy.resources import UNKNOWN, Resource, Value, differs, dig, holds_unknown, known_items
from policy.rule import Stack, each, together

# Version 6 of pulumi-aws named the type BucketV2. Version 7 still takes that name.
BUCKETS: Final = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
_ACLS: Final = ("aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketAclV2:BucketAclV2")
_OBJECTS_WITH_ACL: Final = (
    "aws:s3/bucketObject:BucketObject",
    "aws:s3/bucketObjectv2:BucketObjectv2",
    "aws:s3/objectCopy:ObjectCopy",
)
_OWNERSHIP: Final = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
_PUBLIC_ACCESS_BLOCK: Final = ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",)
_POLICY: Final = ("aws:s3/bucketPolicy:BucketPolicy",)
_ENCRYPTION: Final = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
)
_VERSIONING: Final = (
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:s3/bucketVersioningV2:BucketVersioningV2",
)
_CLOSED: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
# The part of an ARN after its last `:::`. S3 refuses a bucket policy that names another bucket.
_BUCKET: Final = re.compile(r"[^/]+")
_OBJECTS: Final = re.compile(r"[^/]*\*|[^/]+/\*")
_ALGORITHMS: Final = ("AES256", "aws:kms", "aws:kms:dsse")

INSTANCE: Final = "aws:rds/instance:Instance"
CLUSTER: Final = "aws:rds/cluster:Cluster"
# Every type of the SDK with a property `storageEncrypted`.
_ENCRYPTED: Final = (
    INSTANCE,
    CLUSTER,
    "aws:rds/globalCluster:GlobalCluster",
    "aws:docdb/cluster:Cluster",
    "aws:docdb/globalCluster:GlobalCluster",
    "aws:neptune/cluster:Cluster",
    "aws:neptune/globalCluster:GlobalCluster",
)
# By database type, the property that names a parameter group, and the group's type.
_GROUPS: Final = {
    INSTANCE: ("parameterGroupName", "aws:rds/parameterGroup:ParameterGroup"),
    CLUSTER: ("dbClusterParameterGroupName", "aws:rds/clusterParameterGroup:ClusterParameterGroup"),
}
# The parameters that make PostgreSQL, and MySQL and MariaDB, refuse connections without TLS.
_FORCED: Final = {"rds.force_ssl": ("1", 1), "require_secure_transport": ("1", 1, "ON")}

_EBS: Final = ("ebs.csi.aws.com", "kubernetes.io/aws-ebs")


def _beside(
    stack: Stack, types: tuple[str, ...], faults: Callable[[Resource], Iterable[str]]
) -> Iterator[tuple[Resource, str]]:
    """Yield each bucket without a resource of `types`, and each fault of the resources that a bucket has."""
    companions = stack.of(*types)
    for bucket in stack.of(*BUCKETS):
        own = [companion for companion in companions if companion.refers_to(bucket, "bucket", "bucket", "id")]
        if not own:
            yield bucket, f"It has no {types[0].rpartition(':')[2]}."
        yield from ((bucket, fault) for companion in own for fault in faults(companion))


def _public_access(block: Resource) -> Iterator[str]:
    if wrong := [setting for setting in _CLOSED if differs(block.get(setting), required=True)]:
        yield f"{block.name} leaves open: {', '.join(wrong)}."


def _acl(resource: Resource) -> Iterator[str]:
    if resource.type in _ACLS:
        yield "It is an access control list."
    elif resource.type == _OWNERSHIP:
        owner = resource.get("rule", "objectOwnership")
        if differs(owner, "BucketOwnerEnforced"):
            yield f"objectOwnership is {owner}, which enables access control lists."
    # The provider sets `acl` to S3's default.
    elif resource.get("acl") not in (None, UNKNOWN, "private") or known_items(resource.get("grants")):
        yield "It sets acl or grants."


def _bucket_encryption(configuration: Resource) -> Iterator[str]:
    # A configuration without rules sets no algorithm.
    for rule in known_items(configuration.get("rules") or [None]):
        algorithm = dig(rule, "applyServerSideEncryptionByDefault", "sseAlgorithm")
        if algorithm not in (UNKNOWN, *_ALGORITHMS):
            yield f"{configuration.name} has the algorithm {algorithm}."


def _versioning(configuration: Resource) -> Iterator[str]:
    status = configuration.get("versioningConfiguration", "status")
    if differs(status, "Enabled"):
        yield f"{configuration.name} has the status {status}."


def _bucket_tls(policy: Resource) -> Iterator[str]:
    document = policy.get("policy")
    if not may_deny(document) and not _denies_plain_http(statements(document)):
        yield f"{policy.name} allows requests without TLS."


def _denies_plain_http(policy: list[Statement]) -> bool:
    """Return whether a policy denies everyone every action without TLS, on the bucket and on all of its objects."""
    denied = [
        resource.rpartition(":::")[2]
        for statement in policy
        if statement.effect == "Deny" and statement.is_for_anyone() and _is_without_tls(statement.condition)
        if {"s3:*", "*"} & set(statement.actions)
        for resource in statement.resources
    ]
    return any(_BUCKET.fullmatch(resource) for resource in denied) and any(
        _OBJECTS.fullmatch(resource) for resource in denied
    )


def _is_without_tls(condition: Value) -> bool:
    # With a second condition, the denial would apply to some requests only.
    return condition in [{"Bool": {"aws:SecureTransport": value}} for value in ("false", False, ["false"])]


def _public(database: Resource) -> Iterator[str]:
    if database.get("publiclyAccessible") not in (None, UNKNOWN, False):
        yield "publiclyAccessible is true."


def _database_encryption(database: Resource) -> Iterator[str]:
    # A global cluster around an existing cluster inherits its encryption.
    inherits = bool(database.get("sourceDbClusterIdentifier"))
    if not inherits and differs(database.get("storageEncrypted"), required=True):
        yield "storageEncrypted is not true."


def _database_tls(stack: Stack) -> Iterator[tuple[Resource, str]]:
    for type_, (property_, group_type) in _GROUPS.items():
        groups = stack.of(group_type)
        for database in stack.of(type_):
            own = [group for group in groups if database.refers_to(group, property_, "name", "id")]
            if not own and database.get(property_) is not UNKNOWN:
                yield database, f"{property_} names no parameter group of this stack."
            for group in own:
                if not _forces_tls(group):
                    yield database, f"{group.name} does not force TLS."


def _forces_tls(group: Resource) -> bool:
    parameters = group.get("parameters")
    return holds_unknown(parameters) or any(
        parameter.get("value") in _FORCED.get(parameter.get("name"), ()) for parameter in known_items(parameters)
    )


def _volume_encryption(storage_class: Resource) -> Iterator[str]:
    if storage_class.get("provisioner") in _EBS and differs(storage_class.get("parameters", "encrypted"), "true"):
        yield "parameters.encrypted is not true."


RULES: Final = (
    together(
        "bucket-blocks-public-access",
        "A bucket is closed to the public. Give it a BucketPublicAccessBlock with all four settings true.",
        lambda stack: _beside(stack, _PUBLIC_ACCESS_BLOCK, _public_access),
    ),
    each(
        "bucket-has-no-acl",
        "Only policies decide who can access a bucket. Remove acl and grants, and set the object ownership to "
        "BucketOwnerEnforced.",
        (*BUCKETS, *_OBJECTS_WITH_ACL, *_ACLS, _OWNERSHIP),
        _acl,
    ),
    together(
        "bucket-is-encrypted",
        "A bucket encrypts its objects. Give it a BucketServerSideEncryptionConfiguration with aws:kms or AES256.",
        lambda stack: _beside(stack, _ENCRYPTION, _bucket_encryption),
    ),
    together(
        "bucket-is-versioned",
        "A bucket keeps overwritten and deleted objects. Give it a BucketVersioning with the status Enabled.",
        lambda stack: _beside(stack, _VERSIONING, _versioning),
    ),
    together(
        "bucket-requires-tls",
        "A bucket accepts only requests over TLS. Give it a BucketPolicy that denies s3:* to everyone, on the bucket "
        "and its objects, with the single condition Bool aws:SecureTransport false.",
        lambda stack: _beside(stack, _POLICY, _bucket_tls),
    ),
    each(
        "database-is-private",
        "A database has no public address. Set publiclyAccessible to false.",
        aws.TYPES,
        _public,
    ),
    each(
        "database-is-encrypted",
        "A database encrypts its storage. Set storageEncrypted to true, with a KMS key.",
        _ENCRYPTED,
        _database_encryption,
    ),
    together(
        "database-requires-tls",
        "A database accepts only connections over TLS. Give it a parameter group of the stack with rds.force_ssl 1 "
        "(MySQL: require_secure_transport 1).",
        _database_tls,
    ),
    each(
        "volume-is-encrypted",
        'An EBS volume is encrypted. Set encrypted to the text "true" in the parameters of the storage class.',
        ("kubernetes:storage.k8s.io/v1:StorageClass",),
        _volume_encryption,
    ),
)
