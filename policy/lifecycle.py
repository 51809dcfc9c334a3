"""Rules about how long things live: data is not deleted by mistake, logs expire, and keys rotate."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from policy.resources import UNKNOWN, Resource, differs
from policy.rule import each
from policy.storage import BUCKETS, CLUSTER, INSTANCE

_KEY: Final = "aws:kms/key:Key"


def _database(database: Resource) -> Iterator[str]:
    yield from _protected(database)
    if differs(database.get("deletionProtection"), required=True):
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


_PROTECTED: Final[Mapping[str, Callable[[Resource], Iterable[str]]]] = {
    INSTANCE: _database,
    CLUSTER: _database,
    "aws:docdb/cluster:Cluster": _database,
    "aws:neptune/cluster:Cluster": _database,
    **dict.fromkeys(BUCKETS, _bucket),
    _KEY: _protected,
    "aws:kms/externalKey:ExternalKey": _protected,
    "aws:ecr/repository:Repository": _repository,
    "vault:transit/secretBackendKey:SecretBackendKey": _signing_key,
}


def _protection(resource: Resource) -> Iterable[str]:
    return _PROTECTED[resource.type](resource)


def _rotation(key: Resource) -> Iterator[str]:
    # AWS rotates neither asymmetric keys nor HMAC keys.
    symmetric = key.get("customerMasterKeySpec") in (None, UNKNOWN, "SYMMETRIC_DEFAULT")
    if symmetric and differs(key.get("enableKeyRotation"), required=True):
        yield "enableKeyRotation is not true."


def _retention(group: Resource) -> Iterator[str]:
    if not group.get("retentionInDays"):
        yield "retentionInDays is not set, so its events never expire."


RULES: Final = (
    each(
        "data-is-protected",
        "Data survives mistakes. Set the resource option protect on databases, buckets and keys, enable deletion "
        "protection and a final snapshot on databases, and don't allow deletion together with contents. An environment "
        "with disposable data relaxes this rule in its policy file.",
        tuple(_PROTECTED),
        _protection,
    ),
    each(
        "key-rotates",
        "AWS rotates each KMS key. Set enableKeyRotation to true.",
        (_KEY,),
        _rotation,
    ),
    each(
        "logs-expire",
        "Logs may hold personal data, and cost money for as long as they are stored. Set retentionInDays.",
        ("aws:cloudwatch/logGroup:LogGroup",),
        _retention,
    ),
)
