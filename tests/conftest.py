"""Keeps the tests apart from the shell that they are started in: `make env` points it to the user's own platform."""

import os

_PLATFORM = ("AWS_", "MLFLOW_", "PULUMI_", "VAULT_", "PG", "KUBECONFIG", "AEGIS_IMAGES", "AEGIS_CONTEXT")

for _name in [name for name in os.environ if name.startswith(_PLATFORM)]:
    del os.environ[_name]
