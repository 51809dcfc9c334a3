"""Service accounts of workloads: without rights in the cluster, and in AWS with a role that trusts them."""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ServiceAccount

from infra.kube.pods import metadata


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadAccountArgs:
    """Arguments of `WorkloadAccount`; `account` is its fixed name, which roles and policies contain."""

    namespace: pulumi.Input[str]
    account: str
    role_arn: str | None = None


class WorkloadAccount(pulumi.ComponentResource):
    """A service account whose token is not mounted: a pod that needs one projects it for the audience."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadAccountArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:WorkloadAccount", name, {}, opts)
        described = metadata(args.namespace, args.account, args.account)
        if args.role_arn is not None:
            # Tools read it; pods get their role without EKS's webhook, and so on any cluster.
            described["annotations"] = {"eks.amazonaws.com/role-arn": args.role_arn}
        account = ServiceAccount(
            f"{name}-account",
            metadata=described,
            automount_service_account_token=False,
            opts=ResourceOptions(parent=self),
        )
        self.name = account.metadata.name
        self.register_outputs({"name": self.name})
