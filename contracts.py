"""The names that the Pulumi program (`infra`), the workloads and the embedded platform (`local`) share.

The three never import one another; they import this module. It contains names, ports and exit codes only, without logic
or imports outside the standard library, so that every image and every part of the repository can include it.
"""

from enum import IntEnum, StrEnum
from typing import Final

PROJECT: Final = "aegis"

# Container images that this repository builds, by their folder in workloads/images.
IMAGE_REGISTRY: Final = "localhost/aegis"
IMAGES: Final = ("postgres", "s3", "vault", "mlflow", "workloads", "trainer", "gateway", "serving", "monitoring")
# The repository of the images of model versions, in AWS beside those of these images.
MODELS_REPOSITORY: Final = "models"
# Path of a JSON file {image name: reference} that `make up` writes; stacks without `images` in their settings read it.
IMAGES_FILE_ENV: Final = "AEGIS_IMAGES"
# The kubeconfig context of an existing cluster to use instead of the embedded one.
CONTEXT_ENV: Final = "AEGIS_CONTEXT"
# The StorageClass of that cluster, for stacks whose settings don't set one.
STORAGE_CLASS_ENV: Final = "AEGIS_STORAGE_CLASS"
# Address of an emulated AWS API, for stacks whose settings don't set `aws.endpoint`.
AWS_ENDPOINT_ENV: Final = "AEGIS_AWS_ENDPOINT"
# PEM file with the certificate authorities of an emulated RDS; only with an emulated AWS API.
DATABASE_AUTHORITIES_ENV: Final = "AEGIS_DATABASE_AUTHORITIES"

# The one major version of PostgreSQL: in the cluster, on RDS and its emulation, and of pg_dump in the image of the
# workloads. pg_dump refuses a newer server, and an older server refuses its dumps. Debian 12 has version 15.
POSTGRES_MAJOR: Final = 15

MLFLOW_NAMESPACE: Final = "mlflow"
VAULT_NAMESPACE: Final = "vault"
# A team's namespace is this prefix and the team's name.
TEAM_NAMESPACE_PREFIX: Final = "team-"
# The pods of served models, and what rolls them out.
SERVING_NAMESPACE: Final = "serving"
# Prometheus and what belongs to it, where the stack runs them.
MONITORING_NAMESPACE: Final = "monitoring"

MLFLOW_PORT: Final = 5000
POSTGRES_PORT: Final = 5432
S3_PORT: Final = 7070
S3_CONSOLE_PORT: Final = 7071
VAULT_PORT: Final = 8200
GATEWAY_PORT: Final = 8080
MODEL_SERVER_PORT: Final = 8080
RECONCILER_PORT: Final = 8081
# The tracking server's metrics, on a port that no Service of users has: name of the container's port, and path.
METRICS_PORT_NAME: Final = "metrics"
METRICS_PATH: Final = "/metrics"
PROMETHEUS_PORT: Final = 9090
ALERTMANAGER_PORT: Final = 9093
# Where Prometheus reads the figures of the tracking server, of our exporter, of PostgreSQL's and of kube-state-metrics.
METRICS_PORT: Final = 9464
EXPORTER_PORT: Final = 9465
POSTGRES_EXPORTER_PORT: Final = 9187
STATE_METRICS_PORT: Final = 8080

# The default ports on localhost at which the servers in the cluster answer after `make up`.
LOCALHOST_PORTS: Final = {
    "mlflow": 5000,
    "gateway": 8080,
    "s3": 9000,
    "s3_console": 9001,
    "vault": 8200,
    "postgres": 15432,
    "prometheus": 9090,
    "alertmanager": 9093,
}
# What model servers watch is set by variables with this prefix (workloads/serving/watching/settings.py), which the
# reconciler passes on.
WATCH_ENV_PREFIX: Final = "AEGIS_WATCH_"
# The gateway's settings are variables with this prefix (workloads/gateway/settings.py).
GATEWAY_ENV_PREFIX: Final = "AEGIS_GATEWAY_"
# Address of the gateway, for people's clients: `make env` exports it.
GATEWAY_URL_ENV: Final = "AEGIS_GATEWAY_URL"

# Namespace, Service and port of each of these servers.
SERVERS: Final = {
    "mlflow": (MLFLOW_NAMESPACE, "mlflow", MLFLOW_PORT),
    "gateway": (MLFLOW_NAMESPACE, "gateway", GATEWAY_PORT),
    "s3": (MLFLOW_NAMESPACE, "s3", S3_PORT),
    "s3_console": (MLFLOW_NAMESPACE, "s3", S3_CONSOLE_PORT),
    "vault": (VAULT_NAMESPACE, "vault", VAULT_PORT),
    "postgres": (MLFLOW_NAMESPACE, "postgres", POSTGRES_PORT),
    "prometheus": (MONITORING_NAMESPACE, "prometheus", PROMETHEUS_PORT),
    "alertmanager": (MONITORING_NAMESPACE, "alertmanager", ALERTMANAGER_PORT),
}

# The Deployment, the Service and the Lease of what rolls out served models.
RECONCILER: Final = "serving-reconciler"
# What a pod of the namespace is to the network policies: it delivers a model version, or it serves one.
SERVING_PART_LABEL: Final = "aegis.serving/part"
DELIVERY_PART: Final = "delivery"
SERVER_PART: Final = "server"
# The ConfigMaps that say what should be served: their label ("true"), their key with the JSON object, and the label
# that names their author, the stack or the command line.
WANTED_LABEL: Final = "aegis.serving/wanted"
WANTED_KEY: Final = "wanted.json"
SOURCE_LABEL: Final = "aegis.serving/source"
STACK_SOURCE: Final = "stack"
CLI_SOURCE: Final = "cli"

# MLflow's database in the cluster, and its owner.
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
# The role of Vault, and the service account, with which the reconciler signs its records.
RECONCILER_ROLE: Final = "reconciler"
RECONCILER_SERVICE_ACCOUNT: Final = "reconciler"
# The service account of the pods that deliver model versions.
DELIVERY_SERVICE_ACCOUNT: Final = "delivery"
# Audience of the signer's projected service account token, bound by the Vault role.
VAULT_TOKEN_AUDIENCE: Final = "vault"
VAULT_TOKEN_PATH: Final = "/var/run/secrets/vault/token"

# Prefixes in the artifacts bucket: MLflow's objects, the data that trainers read, and the checkpoints that they write.
MLFLOW_PREFIX: Final = "mlflow"
DATASETS_PREFIX: Final = "datasets"
CHECKPOINTS_PREFIX: Final = "checkpoints"
# The folder of the backups bucket, unless a command is told another one.
BACKUPS_PREFIX: Final = "mlflow"

# Service accounts with an IAM role; each role trusts exactly one service account.
MLFLOW_SERVICE_ACCOUNT: Final = "mlflow"
MIGRATION_SERVICE_ACCOUNT: Final = "migration"
BACKUP_SERVICE_ACCOUNT: Final = "backup"
TRAINER_SERVICE_ACCOUNT: Final = "trainer"
DATABASE_SETUP_SERVICE_ACCOUNT: Final = "database-setup"
EXPORTER_SERVICE_ACCOUNT: Final = "exporter"
# Audience and folder of a pod's token for AWS STS: those of EKS's own webhook, which then leaves the pod unchanged.
# https://github.com/aws/amazon-eks-pod-identity-webhook
AWS_TOKEN_AUDIENCE: Final = "sts.amazonaws.com"
AWS_TOKEN_FOLDER: Final = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
# File with the certificate authorities of a managed database.
DATABASE_CA_PATH: Final = "/etc/aegis/database/ca.pem"
# File with the certificate authorities of a Vault server outside the cluster.
VAULT_CA_PATH: Final = "/etc/aegis/vault/ca.pem"
# The ConfigMap with the public keys that may sign models, in the namespaces of MLflow, of each team and of the served
# models; its one file; and the folder where the platform's pods mount it.
SIGNING_KEYS_CONFIG_MAP: Final = "signing-keys"
SIGNING_KEYS_FILE: Final = "signing-keys.pem"
SIGNING_KEYS_FOLDER: Final = "/etc/aegis/signing-keys"
# SQLAlchemy's names of our drivers (workloads/database): with a password, and with tokens of the pod's IAM role.
DATABASE_DRIVER: Final = "postgresql+aegis"
DATABASE_IAM_DRIVER: Final = "postgresql+rdsiam"

# The tracking server's app (workloads/tracking) as an entry point of `mlflow.app`, the path of its readiness probe, and
# the file that marks a stopping pod.
TRACKING_APP: Final = "aegis"
READY_PATH: Final = "/ready"
# The routes that the kubelet and load balancers ask all the time. They are always answered fast, so figures of what
# clients get leave them out.
PROBE_ROUTES: Final = ("/health", READY_PATH, "/version")
DRAINING_FILE: Final = "/tmp/draining"  # noqa: S108 - a volume of the pod
# Where its worker processes leave their measurements: in memory, as a full disk would kill a process that writes there.
METRICS_FOLDER: Final = "/dev/shm/metrics"  # noqa: S108 - a volume of the pod


class LogFormat(StrEnum):
    """The forms of log lines: for people, or one JSON object per line for programs."""

    TEXT = "text"
    JSON = "json"


class Env:
    """Environment variables that the stack sets on a workload's container and the workload reads."""

    TRACKING_URI: Final = "MLFLOW_TRACKING_URI"
    # "true" if every client reaches the object store, so that the tracking server may offer presigned addresses.
    DIRECT_TRANSFERS: Final = "AEGIS_DIRECT_TRANSFERS"
    VAULT_ADDR: Final = "VAULT_ADDR"
    VAULT_TOKEN: Final = "VAULT_TOKEN"
    # Certificate authorities of the Vault server, and namespace of Vault Enterprise; Vault's own tools read both, too.
    VAULT_CACERT: Final = "VAULT_CACERT"
    VAULT_NAMESPACE: Final = "VAULT_NAMESPACE"
    # Role of Vault's Kubernetes auth; without VAULT_TOKEN, the pod's token logs in to it.
    VAULT_ROLE: Final = "AEGIS_VAULT_ROLE"
    # Mount of the role's auth method; default KUBERNETES_AUTH_MOUNT.
    VAULT_AUTH_MOUNT: Final = "AEGIS_VAULT_AUTH_MOUNT"
    # Mount of the signing transit engine; default TRANSIT_MOUNT.
    VAULT_TRANSIT_MOUNT: Final = "AEGIS_VAULT_TRANSIT_MOUNT"
    # Name of the signing transit key; default TRANSIT_KEY. A variable that ends in KEY would look like it holds a key.
    VAULT_TRANSIT_KEY: Final = "AEGIS_VAULT_TRANSIT_KEY_NAME"
    # PEM file with a private key that signs instead of Vault, on a laptop. No stack sets it.
    SIGNING_KEY_FILE: Final = "AEGIS_SIGNING_KEY_FILE"
    S3_ENDPOINT: Final = "AWS_ENDPOINT_URL_S3"
    BACKUPS_BUCKET: Final = "AEGIS_BACKUPS_BUCKET"
    RELEASES_BUCKET: Final = "AEGIS_RELEASES_BUCKET"
    # JSON list of {bucket, access_key, secret_key}: the buckets to create on our own S3 server, and their owners.
    BUCKET_OWNERS: Final = "AEGIS_BUCKET_OWNERS"
    # For the exporter: JSON list of {name, bucket, prefix} with the keys of an S3 server's user, if it is one; and the
    # hosts whose certificates are watched, with commas.
    EXPORTER_BUCKETS: Final = "AEGIS_EXPORTER_BUCKETS"
    EXPORTER_CERTIFICATES: Final = "AEGIS_EXPORTER_CERTIFICATES"
    # SQLAlchemy URI of MLflow's database, for the tracking server and for the migration of its schema.
    BACKEND_STORE_URI: Final = "MLFLOW_BACKEND_STORE_URI"
    # Way to log in to the database of a backup or restore, whose address is in libpq's own variables (PGHOST, PGPORT,
    # PGUSER, PGPASSWORD, PGDATABASE; on AWS also PGSSLMODE and PGSSLROOTCERT): "password", or "iam" for tokens of the
    # pod's IAM role.
    DATABASE_AUTH: Final = "AEGIS_DATABASE_AUTH"
    # For the set-up of a managed database: ARN of its administrator's secret in Secrets Manager, and the role and the
    # database to create. The password is set only with DATABASE_AUTH "password".
    DATABASE_ADMIN_SECRET: Final = "AEGIS_DATABASE_ADMIN_SECRET"
    DATABASE_OWNER: Final = "AEGIS_DATABASE_OWNER"
    DATABASE_OWNER_PASSWORD: Final = "AEGIS_DATABASE_OWNER_PASSWORD"
    DATABASE_NAME: Final = "AEGIS_DATABASE_NAME"
    GIT_COMMIT: Final = "AEGIS_GIT_COMMIT"
    # Form of log lines (`LogFormat`), and the lowest level that is logged.
    LOGS: Final = "AEGIS_LOGS"
    LOG_LEVEL: Final = "AEGIS_LOG_LEVEL"
    # PEM file, or folder of PEM files, with the public keys that may sign models; `aegis.trust` names it too.
    TRUSTED_KEYS: Final = "AEGIS_TRUSTED_KEYS"
    # Comma-separated aliases and stages that the tracking server gives only to versions that verify.
    GUARDED_ALIASES: Final = "AEGIS_GUARDED_ALIASES"
    GUARDED_STAGES: Final = "AEGIS_GUARDED_STAGES"
    # For the reconciler of served models: where it makes its objects, the image of its servers, how versions reach
    # them ("volume" or "image"), the volumes' StorageClass and size, and the repository of the images.
    SERVING_NAMESPACE: Final = "AEGIS_SERVING_NAMESPACE"
    SERVING_IMAGE: Final = "AEGIS_SERVING_IMAGE"
    SERVING_DELIVERY: Final = "AEGIS_SERVING_DELIVERY"
    SERVING_STORAGE_CLASS: Final = "AEGIS_SERVING_STORAGE_CLASS"
    SERVING_VOLUME_SIZE: Final = "AEGIS_SERVING_VOLUME_SIZE"
    SERVING_REPOSITORY: Final = "AEGIS_SERVING_REPOSITORY"
    # What becomes of a served version that doesn't verify any more: "keep" or "remove".
    SERVING_UNVERIFIED: Final = "AEGIS_SERVING_UNVERIFIED"
    # Seconds until new model servers that aren't ready count as failed.
    SERVING_START_SECONDS: Final = "AEGIS_SERVING_START_SECONDS"
    # "auto" to serve by KServe where its CRD is there, or "off".
    SERVING_KSERVE: Final = "AEGIS_SERVING_KSERVE"
    # Address of the reconciler, from which the gateway learns what is served.
    SERVING_STATUS: Final = "AEGIS_SERVING_STATUS"


class Exit(IntEnum):
    """Exit codes of all workload commands, by which scripts and Job statuses show what failed."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NO_RUN = 3
    NOT_VERIFIED = 4
    VAULT = 5
    MLFLOW = 6
    OBJECT_STORE = 7
    DATABASE = 8
    # Another process decided about the same model at the same time, and its decision counts.
    CONFLICT = 9
    # The policy refuses a promotion.
    REFUSED = 10
    # A served model is degraded: its inputs have drifted, or it fails or is slow.
    DEGRADED = 11
    # A signal stopped the command; a trainer has saved its checkpoint and can be started again.
    INTERRUPTED = 143
