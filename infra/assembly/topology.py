"""The servers of the platform as others see them: the pods that a network policy names, and the addresses."""

from typing import Final

import contracts
from infra.cluster import backup, migration, mlflow, object_store, postgres
from infra.cluster.peer import Peer
from infra.jobs import release, trainer
from infra.vault import server

POSTGRES: Final = Peer(port=contracts.POSTGRES_PORT, component=postgres.COMPONENT)
S3: Final = Peer(port=contracts.S3_PORT, component=object_store.COMPONENT)
MLFLOW: Final = Peer(port=contracts.MLFLOW_PORT, component=mlflow.COMPONENT)
MLFLOW_FROM_TEAMS: Final = Peer(
    port=contracts.MLFLOW_PORT, component=mlflow.COMPONENT, namespace=contracts.MLFLOW_NAMESPACE
)
VAULT: Final = Peer(port=contracts.VAULT_PORT, component=server.COMPONENT, namespace=contracts.VAULT_NAMESPACE)

POSTGRES_CLIENTS: Final = (mlflow.COMPONENT, migration.COMPONENT, backup.COMPONENT)
S3_CLIENTS: Final = (mlflow.COMPONENT, backup.COMPONENT, release.COMPONENT)
MLFLOW_CLIENTS: Final = (trainer.COMPONENT, release.COMPONENT)
VAULT_CLIENTS: Final = (
    Peer(port=contracts.VAULT_PORT, component=release.COMPONENT, namespace=contracts.MLFLOW_NAMESPACE),
)

MLFLOW_URL: Final = f"http://{mlflow.COMPONENT}:{contracts.MLFLOW_PORT}"
VAULT_URL: Final = f"http://{server.COMPONENT}.{contracts.VAULT_NAMESPACE}.svc:{contracts.VAULT_PORT}"
# The API server as a pod sees it.
KUBERNETES_URL: Final = "https://kubernetes.default.svc"
