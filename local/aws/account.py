"""The description of the emulated account: its administrator, and what it contains before any stack.

It is stored as a JSON file, which is passed to the emulator's process.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

PARTITION = "aws"
# moto's environment variable for the ID of its account.
ACCOUNT_ENV = "MOTO_ACCOUNT_ID"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """The EKS cluster of the account.

    `certificate_authority` is a PEM file in base64, as EKS returns it. `issuer_key` is the public key in PEM that
    verifies tokens of the cluster's service accounts. Without it, no token is accepted.
    """

    name: str
    endpoint: str
    certificate_authority: str
    issuer: str
    issuer_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Postgres:
    """The real PostgreSQL server behind the account's one database instance, and its superuser."""

    host: str
    port: int
    user: str
    password: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The account, and the addresses of the emulator.

    `network` is the VPC's CIDR block. Each of the KMS `aliases` gets its own key. `state` is the folder of the saved
    state. `logins_port` is the LDAP port at which a PostgreSQL server verifies passwords.
    """

    account_id: str
    region: str
    host: str
    port: int
    access_key: str
    secret_key: str
    network: str
    cluster: Cluster
    state: str
    aliases: tuple[str, ...] = ()
    logins_port: int | None = None
    postgres: Postgres | None = None

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://{self.host}:{self.port}"

    def text(self) -> str:
        """Return the account as JSON, which contains secrets."""
        return json.dumps(dataclasses.asdict(self), indent=2)


def read(file: Path) -> Account:
    """Return the account that a file describes."""
    fields = json.loads(file.read_text())
    fields["cluster"] = Cluster(**fields["cluster"])
    fields["postgres"] = Postgres(**fields["postgres"]) if fields["postgres"] else None
    fields["aliases"] = tuple(fields["aliases"])
    return Account(**fields)
