"""Links: what one capability gives another, as typed values. Pods get them as environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import pulumi

import contracts
from infra.aws.emulation import AwsApi
from infra.limits.statements import DatabaseUser, EncryptedBucket


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseAddress:
    """A PostgreSQL database and the user that owns it.

    Without a `password` the user logs in with tokens of the workload's AWS role. With `authorities`, a ConfigMap with
    certificates in `ca.pem`, the server's certificate and name are checked.
    """

    host: pulumi.Input[str]
    port: int
    name: str
    user: str
    password: pulumi.Input[str] | None
    authorities: pulumi.Input[str] | None = None

    def uri(self) -> pulumi.Output[str]:
        """Return SQLAlchemy's URI, a secret; it names the driver, as SQLAlchemy's default depends on its version."""
        where = pulumi.Output.concat(self.host, f":{self.port}/{self.name}", self._query())
        if self.password is None:
            return pulumi.Output.secret(pulumi.Output.concat(f"{contracts.DATABASE_IAM_DRIVER}://{self.user}@", where))
        password = pulumi.Output.from_input(self.password).apply(lambda text: quote(text, safe=""))
        return pulumi.Output.secret(
            pulumi.Output.concat(f"{contracts.DATABASE_DRIVER}://{self.user}:", password, "@", where)
        )

    def libpq_environment(self) -> dict[str, pulumi.Input[str]]:
        """Return libpq's variables but the password, https://www.postgresql.org/docs/15/libpq-envars.html."""
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
        """Return the variables that make libpq check the server's certificate."""
        if self.authorities is None:
            return {}
        return {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": contracts.DATABASE_CA_PATH}

    def libpq_secrets(self) -> dict[str, pulumi.Input[str]]:
        """Return the password, if there is one, as libpq's variable."""
        return {} if self.password is None else {"PGPASSWORD": self.password}

    def _query(self) -> str:
        if self.authorities is None:
            return ""
        return f"?sslmode=verify-full&sslrootcert={contracts.DATABASE_CA_PATH}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """MLflow's database: its address and the resource to wait for.

    `login` is the user that AWS roles may log in as, None where it has a password.
    """

    address: DatabaseAddress
    ready: pulumi.Resource
    login: pulumi.Output[DatabaseUser] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketKeys:
    """A user of an S3 server and its keys; in AWS, workloads have roles instead."""

    access_key: str
    secret_key: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A bucket: `endpoint` None is AWS's own, `keys` None the workload's AWS role, `prefix` MLflow's folder."""

    region: str
    bucket: str
    endpoint: pulumi.Input[str] | None = None
    keys: BucketKeys | None = None
    prefix: str = ""

    @property
    def address(self) -> str:
        """The bucket, or MLflow's folder in it, as a URI."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def environment(self) -> dict[str, pulumi.Input[str]]:
        """Return the variables that point an S3 client to the bucket's server."""
        variables: dict[str, pulumi.Input[str]] = {"AWS_DEFAULT_REGION": self.region}
        if self.endpoint is not None:
            variables[contracts.Env.S3_ENDPOINT] = self.endpoint
        return variables

    def secrets(self) -> dict[str, pulumi.Input[str]]:
        """Return the variables with the user's keys, if there is one."""
        if self.keys is None:
            return {}
        return {"AWS_ACCESS_KEY_ID": self.keys.access_key, "AWS_SECRET_ACCESS_KEY": self.keys.secret_key}


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifacts:
    """The platform's buckets by the names under which the workloads know them, and the resource to wait for.

    `key_arn` is the KMS key of buckets in AWS, None for those of an S3 server in the cluster.
    """

    buckets: Mapping[str, Bucket]
    ready: pulumi.Resource
    key_arn: pulumi.Output[str] | None = None

    def encrypted(self, key_arn: str) -> dict[str, EncryptedBucket]:
        """Return the buckets as grants name them, with the ARN of the key that they share."""
        return {name: EncryptedBucket(name=each.bucket, key_arn=key_arn) for name, each in self.buckets.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracking:
    """The tracking server: its address in MLflow's namespace, and the resource to wait for."""

    url: str
    ready: pulumi.Resource


@dataclass(frozen=True, kw_only=True, slots=True)
class VaultLogin:
    """A Vault, the role that a pod's token logs in to, and the key that signs.

    `authorities` are PEM certificates that the server's is checked against, None for the public authorities;
    `namespace` is one of Vault Enterprise.
    """

    address: str
    role: pulumi.Input[str]
    auth_mount: str
    transit_mount: str
    signing_key: str
    authorities: str | None = None
    namespace: str | None = None

    def environment(self) -> dict[str, pulumi.Input[str]]:
        """Return the variables that a signer reads."""
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
    """A workload's identity: a service account and, in AWS, the role that trusts it."""

    service_account: pulumi.Input[str]
    role_arn: str | None = None
    region: str | None = None
    api: AwsApi | None = None

    def environment(self) -> dict[str, pulumi.Input[str]]:
        """Return the variables with which AWS's SDKs exchange the pod's token for the role's credentials."""
        if self.role_arn is None:
            return {}
        variables: dict[str, pulumi.Input[str]] = {
            "AWS_ROLE_ARN": self.role_arn,
            "AWS_WEB_IDENTITY_TOKEN_FILE": f"{contracts.AWS_TOKEN_FOLDER}/token",
            # The region's own endpoint, and not the global one in another region.
            "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        }
        if self.region is not None:
            # boto3 reads only the second name, and every other SDK the first.
            variables |= {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        return variables | (self.api.variables() if self.api else {})


@dataclass(frozen=True, kw_only=True, slots=True)
class Signing:
    """The signer's identity, the Vault in which it signs, and the resource to wait for."""

    signer: Identity
    vault: VaultLogin
    ready: pulumi.Resource


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """The training of an update: the resource to wait for, and the generated name of its Job."""

    ready: pulumi.Resource
    job: pulumi.Output[str]
