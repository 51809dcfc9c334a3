"""Buckets: closed to the public, encrypted, versioned, and reached over TLS alone.

Each protection is a resource of its own beside the bucket, so that most of these rules look at a stack's resources
together.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from policy.documents import Statement, may_deny, statements
from policy.known import UNKNOWN, Value, differs, dig, known_items
from policy.resource import Resource
from policy.rule import Stack, each, together

# The second one is the name that version 6 of pulumi-aws gave to the first, and that version 7 still takes.
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
# What an ARN names after its last `:::`; S3 refuses the policy of one bucket that names another one.
_BUCKET: Final = re.compile(r"[^/]+")
_OBJECTS: Final = re.compile(r"[^/]*\*|[^/]+/\*")
_ALGORITHMS: Final = ("AES256", "aws:kms", "aws:kms:dsse")


def _beside(
    stack: Stack, types: tuple[str, ...], faults: Callable[[Resource], Iterable[str]]
) -> Iterator[tuple[Resource, str]]:
    """Yield each bucket that lacks a resource of `types`, and for those that have one what is wrong with it."""
    companions = stack.of(*types)
    for bucket in stack.of(*BUCKETS):
        own = [each for each in companions if each.refers_to(bucket, "bucket", "bucket", "id")]
        if not own:
            yield bucket, f"It has no {types[0].rpartition(':')[2]}."
        yield from ((bucket, fault) for companion in own for fault in faults(companion))


def _public_access(block: Resource) -> Iterator[str]:
    if wrong := [setting for setting in _CLOSED if differs(block.get(setting), wanted=True)]:
        yield f"{block.name} leaves open: {', '.join(wrong)}."


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


def _encryption(configuration: Resource) -> Iterator[str]:
    # No rule at all is one that sets nothing.
    for rule in known_items(configuration.get("rules") or [None]):
        algorithm = dig(rule, "applyServerSideEncryptionByDefault", "sseAlgorithm")
        if algorithm not in (UNKNOWN, *_ALGORITHMS):
            yield f"{configuration.name} has the algorithm {algorithm}."


def _versioning(configuration: Resource) -> Iterator[str]:
    status = configuration.get("versioningConfiguration", "status")
    if differs(status, "Enabled"):
        yield f"{configuration.name} has the status {status}."


def _tls(policy: Resource) -> Iterator[str]:
    document = policy.get("policy")
    if not may_deny(document) and not _denies_plain_http(statements(document)):
        yield f"{policy.name} lets requests in without TLS."


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
        lambda stack: _beside(stack, _PUBLIC_ACCESS_BLOCK, _public_access),
    ),
    each(
        "bucket-has-no-acl",
        "Access to a bucket is decided by policies alone. Remove acl and grants, and set the object ownership "
        "BucketOwnerEnforced.",
        (*BUCKETS, *_OBJECTS_WITH_ACL, *_ACLS, _OWNERSHIP),
        _acl,
    ),
    together(
        "bucket-is-encrypted",
        "A bucket encrypts what it stores. Give it a BucketServerSideEncryptionConfiguration with aws:kms or AES256.",
        lambda stack: _beside(stack, _ENCRYPTION, _encryption),
    ),
    together(
        "bucket-is-versioned",
        "A bucket keeps what is overwritten or deleted. Give it a BucketVersioning with the status Enabled.",
        lambda stack: _beside(stack, _VERSIONING, _versioning),
    ),
    together(
        "bucket-requires-tls",
        "A bucket is reached over TLS alone. Give it a BucketPolicy that denies s3:* to anybody, on the bucket and its "
        "objects, with the one condition Bool aws:SecureTransport false.",
        lambda stack: _beside(stack, _POLICY, _tls),
    ),
)
