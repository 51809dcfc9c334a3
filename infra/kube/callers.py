"""The Host and Origin headers that a server with web pages accepts: those of its real callers only.

The check of Host stops DNS rebinding, and that of Origin stops posts from other web pages. A browser sends Origin with
the POST requests of a server's own page, too: at an address that is missing in this list, MLflow's page opens without
charts.

The values are those of MLflow's variables, which replace its defaults; the gateway's have the same form. An entry is
compared with the whole header, including the port. An entry with `*` is a shell pattern, in which `[` must be escaped
(`mlflow.server.security_utils`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pulumi_kubernetes.core.v1 import EnvVarArgsDict, Service

from infra.kube.services import cluster_ip
from infra.limits.flows import Pods

# The pod's own IP address, set before the variables that use it. It is exact, so the pods' network needn't be known.
POD_IP_VARIABLE: Final = "POD_IP"
# A port of the machine, a port-forward, or a client in the pod. MLflow always allows these as origins.
_LOCAL: Final = ("localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*", "[::1]", "[[]::1]:*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Callers:
    """The names by which callers address the server.

    Pods use any form of the Service's name, nodes its cluster IP, the kubelet's probes and Prometheus the pod's IP,
    port-forwards localhost, and people the public names.
    """

    service: str
    namespace: str
    domain: str
    port: int
    cluster_ip: str
    public_hosts: Sequence[str] = ()

    def hosts(self) -> str:
        """Return the values of Host, as in MLFLOW_SERVER_ALLOWED_HOSTS."""
        return ",".join([*_LOCAL, *self._in_cluster(), *self._public()])

    def origins(self) -> str:
        """Return the values of Origin, as in MLFLOW_SERVER_CORS_ALLOWED_ORIGINS.

        In the cluster the server uses plain HTTP. At a public name, a proxy may terminate TLS in front of it.
        """
        plain = [f"http://{host}" for host in (*self._in_cluster(), *self._public())]
        return ",".join([*plain, *(f"https://{host}" for host in self._public())])

    def _public(self) -> list[str]:
        # Browsers omit the default port of the scheme, even if the setting has it.
        return list(dict.fromkeys(host.removesuffix(":443").removesuffix(":80") for host in self.public_hosts))

    def _in_cluster(self) -> Iterator[str]:
        yield f"$({POD_IP_VARIABLE}):{self.port}"
        qualified = f"{self.service}.{self.namespace}"
        for name in (self.service, qualified, f"{qualified}.svc", f"{qualified}.svc.{self.domain}", self.cluster_ip):
            # HTTP clients omit the default port of the scheme, as behind a Service on port 80.
            yield from (name, f"{name}:{self.port}")


@dataclass(frozen=True, kw_only=True, slots=True)
class CallersArgs:
    """Arguments of `checked_callers`: the server's pods and port, the cluster's DNS domain, and the public names."""

    pods: Pods
    port: int
    domain: str
    public_hosts: Sequence[str] = ()


def checked_callers(args: CallersArgs, service: Service, *, hosts: str, origins: str) -> list[EnvVarArgsDict]:
    """Return the variables `hosts` and `origins`, with what the pods behind `service` accept in the two headers."""
    callers = cluster_ip(service).apply(
        lambda address: Callers(
            service=args.pods.component,
            namespace=args.pods.namespace,
            domain=args.domain,
            port=args.port,
            cluster_ip=address,
            public_hosts=args.public_hosts,
        )
    )
    return [
        {"name": POD_IP_VARIABLE, "value_from": {"field_ref": {"field_path": "status.podIP"}}},
        {"name": hosts, "value": callers.apply(Callers.hosts)},
        {"name": origins, "value": callers.apply(Callers.origins)},
    ]
