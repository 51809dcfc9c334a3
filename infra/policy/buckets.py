"""Buckets: closed to the public, encrypted, versioned, and reached over TLS alone.

Each protection is a resource of its own beside the bucket, so that most of these rules look at a stack's resources
together.
"""

import re
from collections.abc import Iterator
from typing import Final

from infra.policy.documents import Statement, may_deny, statements
from infra.policy.known import UNKNOWN, Value, differs, dig, known_items
from infra.policy.rule import Resource, Stack, each, together

# The second one is the name that version 6 of pulumi-aws gave to the first, and that version 7 still takes.
BUCKETS: Final = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
_ACLS: Final = ("aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketAclV2:BucketAclV2")
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
# What an ARN names after its last `:::`; S3 refuses the policy of one bucket that names another one.
_BUCKET: Final = re.compile(r"[^/]+")
_OBJECTS: Final = re.compile(r"[^/]*\*|[^/]+/\*")
_ALGORITHMS: Final = ("AES256", "aws:kms", "aws:kms:dsse")


def _beside(stack: Stack, types: tuple[str, ...]) -> Iterator[tuple[Resource, list[Resource]]]:
    """Yield each bucket with the resources of `types` that are about it."""
    companions = stack.of(*types)
    for bucket in stack.of(*BUCKETS):
        yield bucket, [each for each in companions if each.refers_to(bucket, "bucket", "bucket", "id")]


def _public_access(stack: Stack) -> Iterator[tuple[Resource, str]]:
    for bucket, blocks in _beside(stack, _PUBLIC_ACCESS_BLOCK):
        if not blocks:
            yield bucket, "It has no BucketPublicAccessBlock."
        for block in blocks:
            if wrong := [setting for setting in _CLOSED if differs(block.get(setting), wanted=True)]:
                yield bucket, f"{block.name} leaves open: {', '.join(wrong)}."


def _acl(resource: Resource) -> Iterator[str]:
    if resource.type in _ACLS:
        yield "It is an access control list."
    elif resource.type == _OWNERSHIP:
        owner = resource.get("rule", "objectOwnership")
        if differs(owner, "BucketOwnerEnforced"):
            yield f"objectOwnership is {owner}, which lets access control lists count."
    # A provider fills `acl` in by itself with S3's default.
    elif resource.get("acl") not in (None, UNKNOWN, "private") or known_items(resource.get("grants")):
        yield "It sets acl or grants."


def _encryption(stack: Stack) -> Iterator[tuple[Resource, str]]:
    for bucket, configurations in _beside(stack, _ENCRYPTION):
        if not configurations:
            yield bucket, "It has no BucketServerSideEncryptionConfiguration."
        for configuration in configurations:
            # No rule at all is one that sets nothing.
            for rule in known_items(configuration.get("rules") or [None]):
                algorithm = dig(rule, "applyServerSideEncryptionByDefault", "sseAlgorithm")
                if algorithm not in (UNKNOWN, *_ALGORITHMS):
                    yield bucket, f"{configuration.name} has the algorithm {algorithm}."


def _versioning(stack: Stack) -> Iterator[tuple[Resource, str]]:
    for bucket, configurations in _beside(stack, _VERSIONING):
        if not configurations:
            yield bucket, "It has no BucketVersioning."
        for configuration in configurations:
            status = configuration.get("versioningConfiguration", "status")
            if differs(status, "Enabled"):
                yield bucket, f"{configuration.name} has the status {status}."


def _tls(stack: Stack) -> Iterator[tuple[Resource, str]]:
    for bucket, policies in _beside(stack, _POLICY):
        if not policies:
            yield bucket, "It has no BucketPolicy."
        for policy in policies:
            document = policy.get("policy")
            if not may_deny(document) and not _denies_plain_http(statements(document)):
                yield bucket, f"{policy.name} lets requests in without TLS."


def _denies_plain_http(policy: list[Statement]) -> bool:
    """Tell whether every action of anybody is denied without TLS, on the bucket and on all of its objects."""
    denied = [
        resource.rpartition(":::")[2]
        for statement in policy
        if statement.effect == "Deny" and statement.is_for_anybody() and _is_without_tls(statement.condition)
        if {"s3:*", "*"} & set(statement.actions)
        for resource in statement.resources
    ]
    return any(_BUCKET.fullmatch(resource) for resource in denied) and any(
        _OBJECTS.fullmatch(resource) for resource in denied
    )


def _is_without_tls(condition: Value) -> bool:
    # With a second condition the denial would hold for some requests only.
    return condition in [{"Bool": {"aws:SecureTransport": value}} for value in ("false", False, ["false"])]


RULES: Final = (
    together(
        "bucket-blocks-public-access",
        "A bucket is closed to the public. Give it a BucketPublicAccessBlock with all four settings true.",
        _public_access,
    ),
    each(
        "bucket-has-no-acl",
        "Access to a bucket is decided by policies alone. Remove acl and grants, and set the object ownership "
        "BucketOwnerEnforced.",
        (*BUCKETS, *_ACLS, _OWNERSHIP),
        _acl,
    ),
    together(
        "bucket-is-encrypted",
        "A bucket encrypts what it stores. Give it a BucketServerSideEncryptionConfiguration with aws:kms or AES256.",
        _encryption,
    ),
    together(
        "bucket-is-versioned",
        "A bucket keeps what is overwritten or deleted. Give it a BucketVersioning with the status Enabled.",
        _versioning,
    ),
    together(
        "bucket-requires-tls",
        "A bucket is reached over TLS alone. Give it a BucketPolicy that denies s3:* to anybody, on the bucket and its "
        "objects, with the one condition Bool aws:SecureTransport false.",
        _tls,
    ),
)
