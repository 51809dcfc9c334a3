"""Managed databases: private, encrypted, and reached over TLS alone."""

from collections.abc import Iterator
from typing import Final

from policy.grants import AWS
from policy.known import UNKNOWN, differs, holds_unknown, known_items
from policy.resource import Resource
from policy.rule import Stack, each, together

INSTANCE: Final = "aws:rds/instance:Instance"
CLUSTER: Final = "aws:rds/cluster:Cluster"
# Every type of the SDK with a property `storageEncrypted`.
_STORED: Final = (
    INSTANCE,
    CLUSTER,
    "aws:rds/globalCluster:GlobalCluster",
    "aws:docdb/cluster:Cluster",
    "aws:docdb/globalCluster:GlobalCluster",
    "aws:neptune/cluster:Cluster",
    "aws:neptune/globalCluster:GlobalCluster",
)
# Each kind of server with its property that names a parameter group, and the group's type.
_GROUPS: Final = {
    INSTANCE: ("parameterGroupName", "aws:rds/parameterGroup:ParameterGroup"),
    CLUSTER: ("dbClusterParameterGroupName", "aws:rds/clusterParameterGroup:ClusterParameterGroup"),
}
# What makes PostgreSQL, and MySQL and MariaDB, refuse connections without TLS.
_FORCED: Final = {"rds.force_ssl": ("1", 1), "require_secure_transport": ("1", 1, "ON")}


def _public(database: Resource) -> Iterator[str]:
    if database.get("publiclyAccessible") not in (None, UNKNOWN, False):
        yield "publiclyAccessible is true."


def _encryption(database: Resource) -> Iterator[str]:
    # One that is made around a cluster is as that is.
    inherits = bool(database.get("sourceDbClusterIdentifier"))
    if not inherits and differs(database.get("storageEncrypted"), wanted=True):
        yield "storageEncrypted is not true."


def _tls(stack: Stack) -> Iterator[tuple[Resource, str]]:
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


RULES: Final = (
    each(
        "database-is-private",
        "A database has no public address. Set publiclyAccessible to false.",
        AWS,
        _public,
    ),
    each(
        "database-is-encrypted",
        "A database encrypts its storage. Set storageEncrypted to true, with a KMS key.",
        _STORED,
        _encryption,
    ),
    together(
        "database-requires-tls",
        "A database is reached over TLS alone. Give it a parameter group of the stack with rds.force_ssl 1 (MySQL: "
        "require_secure_transport 1).",
        _tls,
    ),
)
