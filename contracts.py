"""The names that the program (`infra`), the workloads and the embedded platform (`local`) must agree on.

The three never import one another; they meet here. Only names, ports and exit codes: no logic, no imports but the
standard library's, so that every image and every ring can hold it.
"""

from enum import IntEnum
from typing import Final

PROJECT: Final = "aegis"

# Container images that this repository builds, by the name of their folder in workloads/images.
IMAGE_REGISTRY: Final = "localhost/aegis"
IMAGES: Final = ("postgres", "s3", "vault", "mlflow", "workloads", "trainer")
# A JSON file {image name: reference} that `make up` writes; a stack without `images` in its settings reads it.
IMAGES_FILE_ENV: Final = "AEGIS_IMAGES"
# The kubeconfig context of an existing cluster to use instead of the embedded one.
CONTEXT_ENV: Final = "AEGIS_CONTEXT"
# That cluster's StorageClass, for a stack whose settings name none.
STORAGE_CLASS_ENV: Final = "AEGIS_STORAGE_CLASS"
# Address of an emulated AWS API; a stack whose settings name no `aws.endpoint` takes it from here.
AWS_ENDPOINT_ENV: Final = "AEGIS_AWS_ENDPOINT"
# PEM file of the authorities of an emulated RDS; only with an emulated AWS API.
DATABASE_AUTHORITIES_ENV: Final = "AEGIS_DATABASE_AUTHORITIES"

# The one major version of PostgreSQL: of the server in the cluster, of RDS and of its emulation, and of pg_dump in the
# image of the workloads. pg_dump refuses a newer server, and an older server refuses its dumps. Debian 12 has 15.
POSTGRES_MAJOR: Final = 15

MLFLOW_NAMESPACE: Final = "mlflow"
VAULT_NAMESPACE: Final = "vault"
# A team's namespace is called this and the team's name.
TEAM_NAMESPACE_PREFIX: Final = "team-"

MLFLOW_PORT: Final = 5000
POSTGRES_PORT: Final = 5432
S3_PORT: Final = 7070
S3_CONSOLE_PORT: Final = 7071
VAULT_PORT: Final = 8200

# The ports of the machine at which `make up` has the servers in the cluster answer, where the settings name no others.
LOCALHOST_PORTS: Final = {"mlflow": 5000, "s3": 9000, "s3_console": 9001, "vault": 8200, "postgres": 15432}

# Namespace, Service and port of each of them.
SERVERS: Final = {
    "mlflow": (MLFLOW_NAMESPACE, "mlflow", MLFLOW_PORT),
    "s3": (MLFLOW_NAMESPACE, "s3", S3_PORT),
    "s3_console": (MLFLOW_NAMESPACE, "s3", S3_CONSOLE_PORT),
    "vault": (VAULT_NAMESPACE, "vault", VAULT_PORT),
    "postgres": (MLFLOW_NAMESPACE, "postgres", POSTGRES_PORT),
}

# MLflow's database, where the cluster has it, and its owner.
DATABASE_NAME: Final = "mlflow"
DATABASE_USER: Final = "mlflow"

ARTIFACTS_BUCKET: Final = "mlflow-artifacts"
BACKUPS_BUCKET: Final = "mlflow-backups"
RELEASES_BUCKET: Final = "mlflow-releases"

TRANSIT_MOUNT: Final = "transit"
TRANSIT_KEY: Final = "aegis-cosign"
KUBERNETES_AUTH_MOUNT: Final = "kubernetes"
SIGNER_ROLE: Final = "signer"
SIGNER_SERVICE_ACCOUNT: Final = "signer"
# Audience of the signer's projected service-account token, bound by the Vault role.
VAULT_TOKEN_AUDIENCE: Final = "vault"
VAULT_TOKEN_PATH: Final = "/var/run/secrets/vault/token"

# Objects of the artifacts bucket: MLflow's, the data that trainers read, and the checkpoints that they write.
MLFLOW_PREFIX: Final = "mlflow"
DATASETS_PREFIX: Final = "datasets"
CHECKPOINTS_PREFIX: Final = "checkpoints"

# Service accounts with an AWS role; each role trusts exactly one of them.
MLFLOW_SERVICE_ACCOUNT: Final = "mlflow"
MIGRATION_SERVICE_ACCOUNT: Final = "migration"
BACKUP_SERVICE_ACCOUNT: Final = "backup"
TRAINER_SERVICE_ACCOUNT: Final = "trainer"
DATABASE_SETUP_SERVICE_ACCOUNT: Final = "database-setup"
# Audience, folder and file of a pod's token for AWS STS, the ones of EKS's own webhook, which then leaves them alone:
# https://github.com/aws/amazon-eks-pod-identity-webhook
AWS_TOKEN_AUDIENCE: Final = "sts.amazonaws.com"
AWS_TOKEN_FOLDER: Final = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
# File with the authorities that a managed database's certificate is checked against.
DATABASE_CA_PATH: Final = "/etc/aegis/database/ca.pem"
# File with the authorities that the certificate of a Vault outside of the cluster is checked against.
VAULT_CA_PATH: Final = "/etc/aegis/vault/ca.pem"
# SQLAlchemy's names of our drivers (workloads/database): with a password, and with tokens of the pod's AWS role.
DATABASE_DRIVER: Final = "postgresql+aegis"
DATABASE_IAM_DRIVER: Final = "postgresql+rdsiam"


# The tracking server's own app (workloads/tracking), by its name in `mlflow.app`; its probe; and the file of a pod that
# is about to stop.
TRACKING_APP: Final = "aegis"
READY_PATH: Final = "/ready"
DRAINING_FILE: Final = "/tmp/draining"  # noqa: S108 - a volume of the pod's own


class Env:
    """Environment variables that the stack sets on a workload's container and the workload reads."""

    TRACKING_URI: Final = "MLFLOW_TRACKING_URI"
    # "true" where every client reaches the object store, so that the server may hand out presigned addresses of it.
    DIRECT_TRANSFERS: Final = "AEGIS_DIRECT_TRANSFERS"
    VAULT_ADDR: Final = "VAULT_ADDR"
    VAULT_TOKEN: Final = "VAULT_TOKEN"
    # Both read by Vault's own tools, too: the authorities of its certificate, and the namespace of Vault Enterprise.
    VAULT_CACERT: Final = "VAULT_CACERT"
    VAULT_NAMESPACE: Final = "VAULT_NAMESPACE"
    # Role of Vault's Kubernetes auth; with it and no VAULT_TOKEN, the pod's token logs in.
    VAULT_ROLE: Final = "AEGIS_VAULT_ROLE"
    # Mount of the auth method that the role belongs to; default KUBERNETES_AUTH_MOUNT.
    VAULT_AUTH_MOUNT: Final = "AEGIS_VAULT_AUTH_MOUNT"
    # Mount of the transit engine that signs; default TRANSIT_MOUNT.
    VAULT_TRANSIT_MOUNT: Final = "AEGIS_VAULT_TRANSIT_MOUNT"
    # Name of the transit key that signs; default TRANSIT_KEY. A variable that ends in KEY would be taken for a key.
    VAULT_TRANSIT_KEY: Final = "AEGIS_VAULT_TRANSIT_KEY_NAME"
    S3_ENDPOINT: Final = "AWS_ENDPOINT_URL_S3"
    BACKUPS_BUCKET: Final = "AEGIS_BACKUPS_BUCKET"
    RELEASES_BUCKET: Final = "AEGIS_RELEASES_BUCKET"
    # JSON list of {bucket, access_key, secret_key}: the buckets to make in an S3 server of ours, and who owns each.
    BUCKET_OWNERS: Final = "AEGIS_BUCKET_OWNERS"
    # SQLAlchemy URI of MLflow's database, for the server and for the migration of its schema.
    BACKEND_STORE_URI: Final = "MLFLOW_BACKEND_STORE_URI"
    # Database of a backup or restore: libpq's own variables (PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE), on AWS
    # with PGSSLMODE and PGSSLROOTCERT. With "iam" here the password is a token of the pod's AWS role, made when needed.
    DATABASE_AUTH: Final = "AEGIS_DATABASE_AUTH"
    # For the set-up of a managed database: ARN of its administrator's secret in Secrets Manager, and the role and the
    # database to make; a password is set only with DATABASE_AUTH "password".
    DATABASE_ADMIN_SECRET: Final = "AEGIS_DATABASE_ADMIN_SECRET"
    DATABASE_OWNER: Final = "AEGIS_DATABASE_OWNER"
    DATABASE_OWNER_PASSWORD: Final = "AEGIS_DATABASE_OWNER_PASSWORD"
    DATABASE_NAME: Final = "AEGIS_DATABASE_NAME"
    GIT_COMMIT: Final = "AEGIS_GIT_COMMIT"


class Exit(IntEnum):
    """Exit codes of every workload command, so that a script or a Job's log tells what failed."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NO_RUN = 3
    NOT_VERIFIED = 4
    VAULT = 5
    MLFLOW = 6
    OBJECT_STORE = 7
    DATABASE = 8
    # A trainer that was told to stop saved its checkpoint and can be started again.
    INTERRUPTED = 143
