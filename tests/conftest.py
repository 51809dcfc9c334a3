"""Keeps the tests apart from the shell that they are started in: `make env` points it to the user's own platform."""

import os

_SHELL = ("AEGIS_IMAGES", "AEGIS_CONTEXT", "AEGIS_REGISTRY", "AEGIS_BASE_IMAGE", "AEGIS_STORAGE_CLASS")
_CLIENTS = ("AEGIS_TRUSTED_KEYS", "AEGIS_SIGNING_KEY_FILE", "AEGIS_RELEASES_", "AEGIS_BACKUPS_", "AEGIS_VAULT_")
_PLATFORM = ("AWS_", "MLFLOW_", "PULUMI_", "VAULT_", "PG", "KUBECONFIG", *_SHELL, *_CLIENTS)

for _name in [name for name in os.environ if name.startswith(_PLATFORM)]:
    del os.environ[_name]
