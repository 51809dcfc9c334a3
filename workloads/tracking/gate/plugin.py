"""The entry point of `mlflow.model_registry_store`.

Each process that uses MLflow's registry loads it, in every image, so it imports nothing until a store is opened.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Final

from workloads.tracking.gate.guards import Guards

if TYPE_CHECKING:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

# The variable is READ_REPLICA_BACKEND_STORE_URI_ENV_VAR in mlflow/server/constants.py, which can't be imported without
# the whole server.
_READ_REPLICA: Final = "_MLFLOW_SERVER_READ_REPLICA_BACKEND_STORE"


def registry_store(store_uri: str) -> "SqlAlchemyStore":
    """Open the registry in a database: with the gate where the stack guards aliases or stages, else MLflow's own.

    The rest is `ModelRegistryStoreRegistryWrapper._get_sqlalchemy_store` in mlflow/server/handlers.py.
    """
    workspaces = import_module("mlflow.environment_variables").MLFLOW_ENABLE_WORKSPACES.get()
    if Guards.from_environment():
        store = import_module("workloads.tracking.gate.store")
        store_class = store.GatedWorkspaceStore if workspaces else store.GatedStore
    elif workspaces:
        store = import_module("mlflow.store.model_registry.sqlalchemy_workspace_store")
        store_class = store.WorkspaceAwareSqlAlchemyStore
    else:
        store_class = import_module("mlflow.store.model_registry.sqlalchemy_store").SqlAlchemyStore
    return store_class(store_uri, read_db_uri=os.environ.get(_READ_REPLICA))
