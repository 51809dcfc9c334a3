"""Where people, and Pulumi itself, reach the servers in the cluster."""

from typing import Literal

import pulumi

from infra.settings import Settings


def address(
    wanted: Settings, server: Literal["mlflow", "s3", "vault"], in_cluster: pulumi.Input[str]
) -> pulumi.Input[str]:
    """Return a server's port of `localhost`, where the settings name one, else its address in the cluster.

    The port stays the same over all that happens to the cluster; the address changes when the Service is made anew.
    """
    if wanted.localhost is None:
        return in_cluster
    return f"http://localhost:{getattr(wanted.localhost, server)}"
