"""What the emulated account is: who may do everything in it, and what it has before any stack comes.

A file in JSON, so that it can be handed to the emulator's process whole.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

PARTITION = "aws"
# moto's own variable: the account that its calls are of.
ACCOUNT_ENV = "MOTO_ACCOUNT_ID"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """The EKS cluster of the account.

    `certificate_authority` is base64 of a PEM file, as EKS gives it. `issuer_key` is the public key, in PEM, that the
    tokens of the cluster's service accounts are checked with; without it no token is accepted.
    """

    name: str
    endpoint: str
    certificate_authority: str
    issuer: str
    issuer_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Postgres:
    """The real server behind the account's one database instance, and its superuser."""

    host: str
    port: int
    user: str
    password: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The account, and where the emulator listens.

    `network` is the VPC's CIDR block, `aliases` are KMS aliases, each of a key of its own. `state` is the folder of
    what outlives the process. `logins_port` is where a database server asks whether a password is right (LDAP).
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
        """Return the account as the text of a file; it holds secrets."""
        return json.dumps(dataclasses.asdict(self), indent=2)


def read(file: Path) -> Account:
    """Return the account that a file describes."""
    given = json.loads(file.read_text())
    given["cluster"] = Cluster(**given["cluster"])
    given["postgres"] = Postgres(**given["postgres"]) if given["postgres"] else None
    given["aliases"] = tuple(given["aliases"])
    return Account(**given)
