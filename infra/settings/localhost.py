"""The ports on the machine that runs Pulumi where the servers in the cluster answer."""

from typing import Annotated, Final, Literal

from pydantic import Field

import contracts
from infra.settings.section import Section

Port = Annotated[int, Field(ge=1024, le=65535)]
ServerName = Literal["mlflow", "gateway", "s3", "s3_console", "vault", "postgres", "prometheus", "alertmanager"]
_ALLOWED: Final = "an integer from 1024 to 65535, different for each server"


class Localhost(Section):
    """The ports of `localhost` where the servers answer. `make up` opens them and forwards connections."""

    mlflow: Port = Field(default=contracts.LOCALHOST_PORTS["mlflow"], description=f"MLflow: {_ALLOWED}")
    gateway: Port = Field(
        default=contracts.LOCALHOST_PORTS["gateway"], description=f"the gateway, if it is enabled: {_ALLOWED}"
    )
    s3: Port = Field(
        default=contracts.LOCALHOST_PORTS["s3"], description=f"the S3 server, if it is in the cluster: {_ALLOWED}"
    )
    s3_console: Port = Field(
        default=contracts.LOCALHOST_PORTS["s3_console"], description=f"the S3 server's web page: {_ALLOWED}"
    )
    vault: Port = Field(
        default=contracts.LOCALHOST_PORTS["vault"], description=f"Vault, if it is in the cluster: {_ALLOWED}"
    )
    postgres: Port = Field(
        default=contracts.LOCALHOST_PORTS["postgres"], description=f"PostgreSQL, if it is in the cluster: {_ALLOWED}"
    )
    prometheus: Port = Field(
        default=contracts.LOCALHOST_PORTS["prometheus"],
        description=f"Prometheus, if monitoring.kind is in-cluster: {_ALLOWED}",
    )
    alertmanager: Port = Field(
        default=contracts.LOCALHOST_PORTS["alertmanager"],
        description=f"Alertmanager, if monitoring.kind is in-cluster: {_ALLOWED}",
    )

    def url(self, server: ServerName) -> str:
        """Return the URL of a server.

        It never changes, while the address of a Service changes when the Service is replaced.
        """
        return f"http://localhost:{getattr(self, server)}"
