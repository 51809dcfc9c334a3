"""Data that neither a mistaken `pulumi destroy` nor a replacement may take along."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from policy.buckets import BUCKETS
from policy.databases import CLUSTER, INSTANCE
from policy.known import UNKNOWN, differs
from policy.resource import Resource
from policy.rule import each


def _database(database: Resource) -> Iterator[str]:
    yield from _protected(database)
    if differs(database.get("deletionProtection"), wanted=True):
        yield "deletionProtection is not true."
    if database.get("skipFinalSnapshot") not in (None, UNKNOWN, False):
        yield "skipFinalSnapshot is true."
    elif not database.get("finalSnapshotIdentifier"):
        yield "finalSnapshotIdentifier is not set."


def _bucket(bucket: Resource) -> Iterator[str]:
    yield from _protected(bucket)
    if bucket.get("forceDestroy") not in (None, UNKNOWN, False):
        yield "forceDestroy is true."


def _repository(repository: Resource) -> Iterator[str]:
    if repository.get("forceDelete") not in (None, UNKNOWN, False):
        yield "forceDelete is true."


def _signing_key(key: Resource) -> Iterator[str]:
    yield from _protected(key)
    if key.get("deletionAllowed") not in (None, UNKNOWN, False):
        yield "deletionAllowed is true."


def _protected(resource: Resource) -> Iterator[str]:
    if not resource.protect:
        yield "It lacks the resource option protect."


_CHECKS: Final[Mapping[str, Callable[[Resource], Iterable[str]]]] = {
    INSTANCE: _database,
    CLUSTER: _database,
    "aws:docdb/cluster:Cluster": _database,
    "aws:neptune/cluster:Cluster": _database,
    **dict.fromkeys(BUCKETS, _bucket),
    "aws:kms/key:Key": _protected,
    "aws:kms/externalKey:ExternalKey": _protected,
    "aws:ecr/repository:Repository": _repository,
    "vault:transit/secretBackendKey:SecretBackendKey": _signing_key,
}


def _check(resource: Resource) -> Iterable[str]:
    return _CHECKS[resource.type](resource)


RULES: Final = (
    each(
        "data-is-protected",
        "Data outlives a mistake. Give databases, buckets and keys the resource option protect, databases also "
        "deletion protection and a final snapshot, and let nothing be deleted with what is in it. An environment whose "
        "data may go opens this rule in its policy file.",
        tuple(_CHECKS),
        _check,
    ),
)
