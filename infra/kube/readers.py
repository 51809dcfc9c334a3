"""Service accounts whose pods read objects of the cluster, in the namespaces that they are given and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ServiceAccount
from pulumi_kubernetes.rbac.v1 import Role, RoleBinding

from infra.kube.pods import metadata


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderArgs:
    """Arguments of `Reader`: what the pods of `component` in `namespace` may read.

    `readable` are kinds of objects, such as pods, by their API group. `namespaces` are by their names.
    """

    namespace: pulumi.Input[str]
    component: str
    readable: Mapping[str, Sequence[str]]
    namespaces: Mapping[str, pulumi.Input[str]]


class Reader(pulumi.ComponentResource):
    """A service account, and a Role in each namespace with which it may list and watch some kinds of objects."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: ReaderArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Reader", name, {}, opts)
        child = ResourceOptions(parent=self)
        account = ServiceAccount(
            f"{name}-account",
            metadata=metadata(args.namespace, args.component, args.component),
            automount_service_account_token=False,
            opts=child,
        )
        self.name = account.metadata.name
        for place, namespace in args.namespaces.items():
            role = Role(
                f"{name}-{place}-rights",
                metadata=metadata(namespace, args.component, args.component),
                rules=[
                    {"api_groups": [group], "resources": list(kinds), "verbs": ["get", "list", "watch"]}
                    for group, kinds in args.readable.items()
                ],
                opts=child,
            )
            RoleBinding(
                f"{name}-{place}-binding",
                metadata=metadata(namespace, args.component, args.component),
                role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": role.metadata.name},
                subjects=[{"kind": "ServiceAccount", "name": self.name, "namespace": args.namespace}],
                opts=ResourceOptions.merge(child, ResourceOptions(delete_before_replace=True)),
            )
        self.register_outputs({"name": self.name})
