"""Who a workload is: its service account, which has no rights in the cluster, and in AWS the role that trusts it."""

from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ServiceAccount

from infra.cluster.pods import metadata


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadAccountArgs:
    """Arguments of `WorkloadAccount`; `account` is its fixed name, which policies of others hold."""

    namespace: pulumi.Input[str]
    account: str
    role_arn: str | None = None


class WorkloadAccount(pulumi.ComponentResource):
    """A service account whose token no pod gets by itself: what needs one projects it for its audience."""

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
