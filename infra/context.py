"""The context that every capability is made in: settings, AWS, MLflow's namespace and provider options."""

from dataclasses import dataclass, replace

import pulumi
from pulumi import ResourceOptions

import contracts
from infra.aws.cloud import Cloud
from infra.aws.service_role import ServiceRole, ServiceRoleArgs
from infra.kube.drift import put_back_drift
from infra.kube.namespace import ClosedNamespace, ClosedNamespaceArgs
from infra.kube.service_account import WorkloadAccount, WorkloadAccountArgs
from infra.limits.flows import Flow, Pods, Traffic, traffic, within_vpc
from infra.limits.grants import Stores, Workload, policy
from infra.limits.statements import AdminSecret
from infra.links import Artifacts, Database, Identity
from infra.providers import Providers, cluster_provider
from infra.settings.localhost import ServerName
from infra.settings.model import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Everything that a capability needs besides the values of other capabilities.

    `opts` are the options of resources in the cluster and `cloud.opts` those of resources in AWS. `in_place` are those
    of ConfigMaps that change under the same name. `cloud` is None if the stack has nothing in AWS. `namespace` is
    MLflow's. `flows` are all flows of the platform.
    """

    settings: Settings
    cloud: Cloud | None
    providers: Providers
    opts: ResourceOptions
    in_place: ResourceOptions
    namespace: pulumi.Output[str]
    flows: tuple[Flow, ...]

    def traffic(self, pods: Pods) -> Traffic:
        """Return the traffic that the NetworkPolicy of `pods` allows."""
        return traffic(self.flows, pods)

    def after(self, *resources: pulumi.Resource) -> ResourceOptions:
        """Return the options of a resource in the cluster that depends on `resources`."""
        return ResourceOptions.merge(self.opts, ResourceOptions(depends_on=list(resources)))

    def closed_namespace(self, name: str, *, silent: Pods | None = None) -> pulumi.Output[str]:
        """Make the namespace `name`, and return its name; a resource that uses the result waits for the namespace.

        Its pods may look up names, except the `silent` ones.
        """
        return _closed_namespace(name, self.settings, self.opts, silent)

    def address(self, server: ServerName, in_cluster: pulumi.Input[str]) -> pulumi.Input[str]:
        """Return the address at which users and Pulumi reach `server`: `localhost` if the settings have its ports."""
        localhost = self.settings.localhost
        return in_cluster if localhost is None else localhost.url(server)

    def identity(
        self,
        workload: Workload,
        artifacts: Artifacts | None = None,
        database: Database | None = None,
        *,
        name: str | None = None,
        namespace: pulumi.Input[str] | None = None,
        secret: pulumi.Output[AdminSecret] | None = None,
    ) -> Identity | None:
        """Make the service account and the IAM role of `workload`; return None if it has no grants in AWS.

        `artifacts`, `database` and `secret` are the stores that its grants refer to. `name`, of the resources, defaults
        to the service account's, and `namespace` to MLflow's.

        Raises:
            ValueError: No section declares the workload, so the name of its role was never checked.
        """
        if workload.role_purpose not in {each.role_purpose for each in self.settings.identities()}:
            raise ValueError(f"the section of {workload.role_purpose} must yield it from `identities`.")
        cloud, grants = self.cloud, workload.granted(self.settings.stores_in_aws)
        if cloud is None or not grants:
            return None
        name = name or workload.service_account
        role = ServiceRole(
            f"{name}-role",
            ServiceRoleArgs(
                account=cloud.account,
                issuer=cloud.issuer,
                oidc_provider_arn=cloud.oidc_provider_arn,
                namespace=workload.namespace,
                service_account=workload.service_account,
                policy=_stores(cloud, artifacts, database, secret).apply(lambda stores: policy(grants, stores)),
            ),
            cloud.opts,
        )
        # AWS refuses the calls of a pod that starts before its role has a policy. Pods wait for their service account,
        # so the service account waits for the role.
        service_account = self._service_account(name, workload, namespace, role)
        return Identity(service_account=service_account, role_arn=role.arn, region=cloud.account.region, api=cloud.api)

    def service_account(
        self, workload: Workload, *, name: str | None = None, namespace: pulumi.Input[str] | None = None
    ) -> Identity:
        """Make the service account of a workload without an IAM role; `name` and `namespace` are as in `identity`."""
        return Identity(service_account=self._service_account(name or workload.service_account, workload, namespace))

    def _service_account(
        self,
        name: str,
        workload: Workload,
        namespace: pulumi.Input[str] | None = None,
        role: ServiceRole | None = None,
    ) -> pulumi.Output[str]:
        args = WorkloadAccountArgs(
            namespace=self.namespace if namespace is None else namespace,
            account=workload.service_account,
            role_arn=role.arn if role else None,
        )
        return WorkloadAccount(name, args, self.after(role) if role else self.opts).name


def open_context(settings: Settings, cloud: Cloud | None, providers: Providers) -> Context:
    """Make the cluster's provider and MLflow's namespace, and return the context of every capability."""
    put_back_drift()
    access = cloud and cloud.cluster_access
    opts = ResourceOptions(providers=[cluster_provider(settings.cluster, access), providers.random])
    in_place = ResourceOptions(providers=[cluster_provider(settings.cluster, access, in_place=True)])
    return Context(
        settings=settings,
        cloud=cloud,
        providers=providers,
        opts=opts,
        in_place=in_place,
        namespace=_closed_namespace(contracts.MLFLOW_NAMESPACE, settings, opts),
        flows=tuple(within_vpc(settings.flows(), cloud.vpc_cidrs if cloud else ())),
    )


def _closed_namespace(
    name: str, settings: Settings, opts: ResourceOptions, silent: Pods | None = None
) -> pulumi.Output[str]:
    args = ClosedNamespaceArgs(name=name, dns_networks=tuple(settings.cluster.dns_networks), silent=silent)
    return ClosedNamespace(name, args, opts).name


def _stores(
    cloud: Cloud, artifacts: Artifacts | None, database: Database | None, secret: pulumi.Output[AdminSecret] | None
) -> pulumi.Output[Stores]:
    """Return the stores that a workload's grants refer to, once AWS has made them."""
    stores = Stores(account=cloud.account)
    key_arn = artifacts.key_arn if artifacts else None
    return pulumi.Output.all(key_arn, database.login if database else None, secret).apply(
        lambda outputs: replace(
            stores,
            buckets=artifacts.encrypted(outputs[0]) if artifacts and outputs[0] else None,
            login=outputs[1],
            secret=outputs[2],
        )
    )
