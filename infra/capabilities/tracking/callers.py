"""The Host and Origin headers that MLflow answers to: those of every real caller, and of nobody else.

Both guard against a page that rebinds its DNS name to the server, or posts to it from elsewhere. A browser sends Origin
with each POST of MLflow's own page, too: an address that is missing here opens the page and shows no charts.

The variables replace MLflow's defaults. An entry is compared with the whole header, port included; one with a `*` is a
shell pattern, in which `[` must be escaped (`mlflow.server.security_utils`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

# Set by the pod from its own address, before the variables that use it: exact, whatever network the pods are in.
POD_IP_VARIABLE: Final = "POD_IP"
# A port of the machine, a port-forward or a client in the pod itself. As an origin MLflow always allows them.
_LOCAL: Final = ("localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*", "[::1]", "[[]::1]:*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Callers:
    """By which names the server is called.

    Pods use each form of the Service's name, the nodes its cluster IP, kubelet's probes and Prometheus the pod's IP, a
    port-forward localhost, and people the public names.
    """

    service: str
    namespace: str
    domain: str
    port: int
    cluster_ip: str
    public_hosts: Sequence[str] = ()

    def hosts(self) -> str:
        """Return the value of MLFLOW_SERVER_ALLOWED_HOSTS."""
        return ",".join([*_LOCAL, *self._in_cluster(), *self._public()])

    def origins(self) -> str:
        """Return the value of MLFLOW_SERVER_CORS_ALLOWED_ORIGINS.

        In the cluster the server speaks plain HTTP. In front of it, at a public name, TLS may end or not.
        """
        plain = [f"http://{host}" for host in (*self._in_cluster(), *self._public())]
        return ",".join([*plain, *(f"https://{host}" for host in self._public())])

    def _public(self) -> list[str]:
        # A browser leaves out the port that is the scheme's own, whatever the setting says.
        return list(dict.fromkeys(host.removesuffix(":443").removesuffix(":80") for host in self.public_hosts))

    def _in_cluster(self) -> Iterator[str]:
        yield f"$({POD_IP_VARIABLE}):{self.port}"
        qualified = f"{self.service}.{self.namespace}"
        for name in (self.service, qualified, f"{qualified}.svc", f"{qualified}.svc.{self.domain}", self.cluster_ip):
            # A client leaves the port out of the header where it is the scheme's own, as behind a Service on port 80.
            yield from (name, f"{name}:{self.port}")
