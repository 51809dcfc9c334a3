"""The audit log of the stack's own Vault server: each request and its response, in the log of the server's pod.

An external Vault server has the audit devices of its operators.
"""

import pulumi
from pulumi import ResourceOptions
from pulumi_vault import Audit


class AuditLog(pulumi.ComponentResource):
    """An audit device that writes JSON lines to the Vault server's standard output, with tokens and values hashed."""

    def __init__(self, name: str, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:vault:AuditLog", name, {}, opts)
        # Not a file on the volume: Vault refuses requests that it can't log, so a full disk would stop it.
        Audit(
            f"{name}-device",
            path="stdout",
            type="file",
            description="Every request and its answer, in the log of the pod; secrets are hashed",
            options={"file_path": "stdout"},
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({})
