"""How a workload reaches the stores, whoever runs them: a server in the cluster today, RDS and S3 on AWS.

Values only: the components that make a store return these, the ones that use it turn them into environment variables.
"""

from dataclasses import dataclass
from urllib.parse import quote

import pulumi

import contracts


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """A PostgreSQL database and the account that owns it."""

    host: pulumi.Input[str]
    port: int
    name: str
    user: str
    password: pulumi.Input[str]

    def uri(self) -> pulumi.Output[str]:
        """Return SQLAlchemy's URI, a secret; the driver is named, as SQLAlchemy's default depends on its version."""
        password = pulumi.Output.from_input(self.password).apply(lambda text: quote(text, safe=""))
        return pulumi.Output.secret(
            pulumi.Output.concat(
                f"postgresql+psycopg://{self.user}:", password, "@", self.host, f":{self.port}/{self.name}"
            )
        )

    def libpq_environment(self) -> dict[str, pulumi.Input[str]]:
        """Return libpq's variables but the password, https://www.postgresql.org/docs/15/libpq-envars.html."""
        return {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user, "PGDATABASE": self.name}

    def libpq_secrets(self) -> dict[str, pulumi.Input[str]]:
        """Return the password as libpq's variable."""
        return {"PGPASSWORD": self.password}


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketAccess:
    """A bucket and the account that owns it."""

    endpoint: pulumi.Input[str]
    region: str
    bucket: str
    access_key: str
    secret_key: pulumi.Input[str]

    def environment(self) -> dict[str, pulumi.Input[str]]:
        """Return the variables that point an S3 client at the endpoint."""
        return {contracts.Env.S3_ENDPOINT: self.endpoint, "AWS_DEFAULT_REGION": self.region}

    def secrets(self) -> dict[str, pulumi.Input[str]]:
        """Return the variables that hold the account's keys."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
