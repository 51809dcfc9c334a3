"""Who the workloads are: a service account each, and in AWS a role that trusts just that one."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import ResourceOptions

from infra.assembly.cloud import Cloud
from infra.aws.service_role import ServiceRole, ServiceRoleArgs
from infra.cluster.account import WorkloadAccount, WorkloadAccountArgs
from infra.connections import Identity


def identity(
    name: str,
    cloud: Cloud | None,
    namespace: pulumi.Input[str],
    namespace_name: str,
    account: str,
    policy: pulumi.Input[Mapping[str, Any]],
    opts: ResourceOptions,
) -> Identity:
    """Make the service account `account` of the namespace and, in AWS, its role, with the permissions of `policy`."""
    if cloud is None:
        made = WorkloadAccount(name, WorkloadAccountArgs(namespace=namespace, account=account), opts)
        return Identity(service_account=made.name)
    role = ServiceRole(
        f"{name}-role",
        ServiceRoleArgs(
            account=cloud.account,
            issuer=cloud.issuer,
            oidc_provider_arn=cloud.oidc_provider_arn,
            namespace=namespace_name,
            service_account=account,
            policy=policy,
        ),
        cloud.opts,
    )
    made = WorkloadAccount(
        name,
        WorkloadAccountArgs(namespace=namespace, account=account, role_arn=role.arn),
        # Pods follow their service account, and one that starts before its role has its policy is refused.
        ResourceOptions.merge(opts, ResourceOptions(depends_on=[role])),
    )
    return Identity(service_account=made.name, role_arn=role.arn, region=cloud.account.region, endpoint=cloud.endpoint)
