"""Links: the typed values that one capability passes to another. Pods get them as environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

import pulumi

import contracts
from infra.aws.emulation import AwsApi
from infra.limits.statements import DatabaseUser, EncryptedBucket


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseAddress:
    """The address of a PostgreSQL database, and the database user that owns it.

    `password` is None if the user logs in with tokens of the workload's IAM role. `authorities` is the name of a
    ConfigMap with CA certificates in `ca.pem`; clients then verify the server's certificate and host name.
    """

    host: pulumi.Input[str]
    port: int
    name: str
    user: str
    password: pulumi.Input[str] | None
    authorities: pulumi.Input[str] | None = None

    def uri(self) -> pulumi.Output[str]:
        """Return the URI for SQLAlchemy, as a secret.

        It names the driver, because SQLAlchemy's default driver depends on its version.
        """
        server = pulumi.Output.concat(self.host, f":{self.port}/{self.name}", self._query())
        if self.password is None:
            return pulumi.Output.secret(pulumi.Output.concat(f"{contracts.DATABASE_IAM_DRIVER}://{self.user}@", server))
        password = pulumi.Output.from_input(self.password).apply(lambda text: quote(text, safe=""))
        return pulumi.Output.secret(
            pulumi.Output.concat(f"{contracts.DATABASE_DRIVER}://{self.user}:", password, "@", server)
        )

    def libpq_environment(self) -> dict[str, pulumi.Input[str]]:
        """Return the environment variables for libpq, except the password.

        https://www.postgresql.org/docs/15/libpq-envars.html
        """
        variables: dict[str, pulumi.Input[str]] = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.name,
            **self.tls_environment(),
        }
        if self.password is None:
            variables[contracts.Env.DATABASE_AUTH] = "iam"
        return variables

    def tls_environment(self) -> dict[str, pulumi.Input[str]]:
        """Return the environment variables that make libpq verify the PostgreSQL server's certificate."""
        if self.authorities is None:
            return {}
        return {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": contracts.DATABASE_CA_PATH}

    def libpq_secrets(self) -> dict[str, pulumi.Input[str]]:
        """Return the environment variable with the password for libpq, if there is a password."""
        return {} if self.password is None else {"PGPASSWORD": self.password}

    def _query(self) -> str:
        if self.authorities is None:
            return ""
        return f"?sslmode=verify-full&sslrootcert={contracts.DATABASE_CA_PATH}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """MLflow's database: its address and the resource to wait for.

    `login` is the database user that IAM roles log in as, None if the user has a password.
    """

    address: DatabaseAddress
    ready: pulumi.Resource
    login: pulumi.Output[DatabaseUser] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketKeys:
    """The access keys of an S3 user on an S3 server; in AWS, workloads have IAM roles instead."""

    access_key: str
    secret_key: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A bucket, on an S3 server or in AWS.

    `endpoint` is the URL of the S3 server, None for AWS. `keys` is None if workloads use their IAM role. `prefix` is
    MLflow's folder in the bucket, "" for the whole bucket.
    """

    region: str
    bucket: str
    endpoint: pulumi.Input[str] | None = None
    keys: BucketKeys | None = None
    prefix: str = ""

    @property
    def address(self) -> str:
        """The `s3://` URI of the bucket, or of MLflow's folder in it."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def environment(self) -> dict[str, pulumi.Input[str]]:
        """Return the environment variables that point an S3 client at the bucket's server."""
        variables: dict[str, pulumi.Input[str]] = {"AWS_DEFAULT_REGION": self.region}
        if self.endpoint is not None:
            variables[contracts.Env.S3_ENDPOINT] = self.endpoint
        return variables

    def secrets(self) -> dict[str, pulumi.Input[str]]:
        """Return the environment variables with the S3 user's keys, if there are any."""
        if self.keys is None:
            return {}
        return {"AWS_ACCESS_KEY_ID": self.keys.access_key, "AWS_SECRET_ACCESS_KEY": self.keys.secret_key}


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifacts:
    """The platform's buckets, by the names that the workloads use for them, and the resource to wait for.

    `key_arn` is the KMS key of buckets in AWS, None for buckets of an S3 server.
    """

    buckets: Mapping[str, Bucket]
    ready: pulumi.Resource
    key_arn: pulumi.Output[str] | None = None

    def encrypted(self, key_arn: str) -> dict[str, EncryptedBucket]:
        """Return the buckets in the form that grants use, with the ARN of the KMS key that they share."""
        return {name: EncryptedBucket(name=bucket.bucket, key_arn=key_arn) for name, bucket in self.buckets.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracking:
    """The tracking server: its address in MLflow's namespace, and the resource to wait for."""

    url: str
    ready: pulumi.Resource


@dataclass(frozen=True, kw_only=True, slots=True)
class VaultLogin:
    """A Vault server, the role that pods log in to with their token, and the signing key.

    `authorities` are the PEM certificates that verify the Vault server's certificate, None for the public CAs.
    `namespace` is a namespace of Vault Enterprise, None without one.
    """

    address: str
    role: pulumi.Input[str]
    auth_mount: str
    transit_mount: str
    signing_key: str
    authorities: str | None = None
    namespace: str | None = None

    def environment(self) -> dict[str, pulumi.Input[str]]:
        """Return the environment variables that the signer reads."""
        variables: dict[str, pulumi.Input[str]] = {
            contracts.Env.VAULT_ADDR: self.address,
            contracts.Env.VAULT_ROLE: self.role,
            contracts.Env.VAULT_AUTH_MOUNT: self.auth_mount,
            contracts.Env.VAULT_TRANSIT_MOUNT: self.transit_mount,
            contracts.Env.VAULT_TRANSIT_KEY: self.signing_key,
        }
        if self.authorities is not None:
            variables[contracts.Env.VAULT_CACERT] = contracts.VAULT_CA_PATH
        if self.namespace is not None:
            variables[contracts.Env.VAULT_NAMESPACE] = self.namespace
        return variables


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A workload's identity: a service account and, in AWS, the IAM role that trusts it.

    `region` and `api` are set where `role_arn` is.
    """

    service_account: pulumi.Input[str]
    role_arn: str | None = None
    region: str | None = None
    api: AwsApi | None = None

    def environment(self) -> dict[str, pulumi.Input[str]]:
        """Return the environment variables that let the AWS SDKs exchange a pod's token for the role's credentials."""
        if self.role_arn is None:
            return {}
        variables: dict[str, pulumi.Input[str]] = {
            "AWS_ROLE_ARN": self.role_arn,
            "AWS_WEB_IDENTITY_TOKEN_FILE": f"{contracts.AWS_TOKEN_FOLDER}/token",
            # Use the STS endpoint of the region: the global one is in another region.
            "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        }
        if self.region is not None:
            # boto3 reads only AWS_DEFAULT_REGION; the other SDKs read AWS_REGION.
            variables |= {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        return variables | (self.api.variables() if self.api else {})


@dataclass(frozen=True, kw_only=True, slots=True)
class Signing:
    """The signer's identity, the Vault server that it signs with, and the resource to wait for.

    `trusted_keys` are the public keys that verify models, as PEM, and `published` has them as a ConfigMap
    in MLflow's namespace. `roles` are the roles of all workloads that may sign, by their names for them. `namespace` is
    that of a Vault server in the cluster.
    """

    signer: Identity
    vault: VaultLogin
    roles: Mapping[str, pulumi.Output[str]]
    trusted_keys: pulumi.Output[str]
    published: pulumi.Resource
    ready: pulumi.Resource
    namespace: pulumi.Output[str] | None = None

    def login(self, role: str) -> VaultLogin:
        """Return the login of the workload that has the role `role`."""
        return replace(self.vault, role=self.roles[role])


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """The training run of an update: the resource to wait for, and the generated name of its Job."""

    ready: pulumi.Resource
    job: pulumi.Output[str]
