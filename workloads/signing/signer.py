"""Choose the signer by the environment variables: a key in a file, or Vault."""

import os
from pathlib import Path

from contracts import Env, Exit
from workloads.cli import WorkloadError
from workloads.signing import file_key, transit
from workloads.signing.keys import Signer


def from_environment(key: str | None = None, mount: str | None = None) -> Signer:
    """Return the key in the file of `AEGIS_SIGNING_KEY_FILE`, else the signer of Vault; see `transit.from_environment`.

    Raises:
        WorkloadError: A variable is missing or its value is invalid, or a key in Vault is named by `key` or `mount`
            although the variable names a file.
    """
    path = os.environ.get(Env.SIGNING_KEY_FILE)
    if not path:
        return transit.from_environment(key, mount)
    if key is not None or mount is not None:
        raise WorkloadError(
            f"A transit key of Vault is named, but {Env.SIGNING_KEY_FILE} is set to a file: unset one of them.",
            Exit.USAGE,
        )
    return file_key.load(Path(path))
