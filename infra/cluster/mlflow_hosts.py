"""The Host headers that MLflow answers to: every real caller, and nobody who rebinds a DNS name to it.

`MLFLOW_SERVER_ALLOWED_HOSTS` replaces MLflow's defaults. An entry is compared with the whole header, port included;
one with a `*` is a shell pattern, in which `[` must be escaped (`mlflow.server.security_utils`).
"""

from collections.abc import Sequence
from typing import Final

# Set by the pod from its own address, before the variable that uses it: exact, whatever network the pods are in.
POD_IP_VARIABLE: Final = "POD_IP"
# A port-forward or a client in the pod itself, on any port.
_LOCAL: Final = ("localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*", "[::1]", "[[]::1]:*")


def allowed_hosts(
    service: str, namespace: str, domain: str, port: int, cluster_ip: str, public_hosts: Sequence[str] = ()
) -> str:
    """Return the value of MLFLOW_SERVER_ALLOWED_HOSTS.

    Callers: pods by each form of the service's name, the nodes and Pulumi's user by its cluster IP, kubelet's probes
    and Prometheus by the pod's IP, a port-forward by localhost, and people by the public names.
    """
    names = (service, f"{service}.{namespace}", f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.{domain}")
    # A client leaves the port out of the header where it is the scheme's own, as behind a Service on port 80.
    in_cluster = [host for name in (*names, cluster_ip) for host in (name, f"{name}:{port}")]
    return ",".join([*_LOCAL, f"$({POD_IP_VARIABLE}):{port}", *in_cluster, *public_hosts])
