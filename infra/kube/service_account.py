"""Service accounts of workloads, without permissions in the cluster; in AWS, an IAM role trusts them."""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ServiceAccount

from infra.kube.pods import metadata


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadAccountArgs:
    """Arguments of `WorkloadAccount`; `account` is the fixed name of the service account, which IAM roles contain."""

    namespace: pulumi.Input[str]
    account: str
    role_arn: str | None = None


class WorkloadAccount(pulumi.ComponentResource):
    """A service account whose token isn't mounted: a pod that needs a token projects one for its audience."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadAccountArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:WorkloadAccount", name, {}, opts)
        account_metadata = metadata(args.namespace, args.account, args.account)
        if args.role_arn is not None:
            # For tools that read it. Pods get their role without EKS's webhook, so roles work on any cluster.
            account_metadata["annotations"] = {"eks.amazonaws.com/role-arn": args.role_arn}
        service_account = ServiceAccount(
            f"{name}-account",
            metadata=account_metadata,
            automount_service_account_token=False,
            opts=ResourceOptions(parent=self),
        )
        self.name = service_account.metadata.name
        self.register_outputs({"name": self.name})
