"""The namespaces of an environment, closed but for name look-ups where its cluster answers them."""

import pulumi
from pulumi import ResourceOptions

from infra.cluster.namespace import ClosedNamespace, ClosedNamespaceArgs
from infra.settings import Settings


def closed_namespace(name: str, wanted: Settings, opts: ResourceOptions) -> pulumi.Output[str]:
    """Make the namespace `name`, and return its name as what is made in it shall wait for it."""
    arguments = ClosedNamespaceArgs(name=name, dns_networks=tuple(wanted.cluster.dns_networks))
    return ClosedNamespace(name, arguments, opts).name
