"""The ConfigMap of RDS's CA certificates, and MLflow's password unless pods log in with IAM roles."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_random import RandomPassword

from infra.kube.pods import metadata

COMPONENT: Final = "database-access"


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseAccessArgs:
    """Arguments of `DatabaseAccess`; `authorities` are the CA certificates, in PEM form."""

    namespace: pulumi.Input[str]
    authorities: str
    with_password: bool


class DatabaseAccess(pulumi.ComponentResource):
    """A ConfigMap with the CA certificates in `ca.pem`, and the password of the database's owner if it has one."""

    authorities: pulumi.Output[str]
    password: pulumi.Output[str] | None

    def __init__(self, name: str, args: DatabaseAccessArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:DatabaseAccess", name, {}, opts)
        child = ResourceOptions(parent=self)
        self.authorities = ConfigMap(
            f"{name}-authorities",
            metadata=metadata(args.namespace, COMPONENT),
            data={"ca.pem": args.authorities},
            opts=child,
        ).metadata.name
        self.password = None
        if args.with_password:
            # Letters and digits only: the password becomes part of a URI.
            self.password = RandomPassword(f"{name}-password", length=32, special=False, opts=child).result
        self.register_outputs({})
