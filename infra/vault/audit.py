"""What was asked of a Vault of ours, by whom: each request and its answer, in the log of the server's pod.

A Vault that others keep has an audit device of theirs.
"""

import pulumi
from pulumi import ResourceOptions
from pulumi_vault import Audit


class AuditLog(pulumi.ComponentResource):
    """An audit device that writes JSON lines to the server's standard output; tokens and values in them are hashed."""

    def __init__(self, name: str, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:vault:AuditLog", name, {}, opts)
        # Not a file of the volume: a full disk would stop Vault, which refuses what it can't write down.
        Audit(
            f"{name}-device",
            path="stdout",
            type="file",
            description="Every request and its answer, in the log of the pod; secrets are hashed",
            options={"file_path": "stdout"},
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({})
