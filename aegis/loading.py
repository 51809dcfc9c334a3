"""Verify a model version straight from the registry, and load only what verifies."""

import os
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from aegis import folders, registry, version
from aegis.keys import PublicKey
from aegis.trust import trusted_keys
from aegis.version import SignedVersion, VerifiedVersion

# A PEM file or folder, several of them, or keys that were read already; None: those that AEGIS_TRUSTED_KEYS names.
Keys = str | os.PathLike[str] | Sequence[PublicKey | str | os.PathLike[str]] | None


def verify(uri: str, *, keys: Keys = None, deep: bool = True) -> VerifiedVersion:
    """Verify the model version at `uri`, such as `models:/digits@champion`, at the tracking URI that MLflow uses.

    Without `deep`, the names and sizes of its files are compared with the signed ones; with it, all bytes.
    `MLFLOW_HTTP_REQUEST_TIMEOUT` (seconds) and `MLFLOW_HTTP_REQUEST_MAX_RETRIES` limit the wait for a hanging server.

    Raises:
        NotVerifiedError: It isn't signed by a trusted key, or its files aren't those that were signed.
        ValueError: `uri` is not the address of a version, or there is no trusted key.
        MlflowException: The registry has no such version, or doesn't answer.
        OSError: A key file can't be read, a file of the model can't be fetched, or the disk is full.
    """
    signed = _find(uri, keys)
    repository = signed.listed()
    if deep:
        with tempfile.TemporaryDirectory(prefix="aegis-") as folder:
            signed.fetch(repository, Path(folder, "model"))
    return signed.verified(deep=deep)


def download(uri: str, folder: str | os.PathLike[str], *, keys: Keys = None) -> VerifiedVersion:
    """Download the model version at `uri` to the new or empty folder `folder`, and verify it; see `verify`.

    The folder appears when everything is verified, so unverified files are never in it.

    Raises:
        FileExistsError: `folder` has files.
    """
    folders.require_empty(Path(folder))
    signed = _find(uri, keys)
    repository = signed.listed()
    with folders.appearing(Path(folder)) as files:
        signed.fetch(repository, files)
    return signed.verified(deep=True)


def load_model(uri: str, *, keys: Keys = None, flavor: str = "pyfunc", **options: Any) -> Any:  # noqa: ANN401 - the flavor decides
    """Load the model version at `uri`, such as `models:/digits@champion`, only if it verifies; see `verify`.

    The model is what `mlflow.FLAVOR.load_model` returns, which gets `options`. Its files lie in a private folder under
    `TMPDIR` until the model is garbage.

    Raises:
        NotVerifiedError: It isn't signed by a trusted key, or its files aren't those that were signed. No code of the
            model has run then.
        ValueError: MLflow has no such flavor.
    """
    load = _loader(flavor)
    signed = _find(uri, keys)
    repository = signed.listed()
    with folders.removed_on_error() as folder:
        signed.fetch(repository, folder / "model")
        model = load(str(folder / "model"), **options)
        folders.remove_with(model, folder)
    return model


def _find(uri: str, keys: Keys) -> SignedVersion:
    reference = registry.parse(uri)
    return version.find(MlflowClient(), reference, _trusted(keys))


def _trusted(keys: Keys) -> Sequence[PublicKey]:
    if keys is None or isinstance(keys, str | os.PathLike):
        return trusted_keys(keys)
    trusted = [key for item in keys for key in ([item] if isinstance(item, PublicKey) else trusted_keys(item))]
    if not trusted:
        raise ValueError("keys must name at least one public key, got none.")
    return trusted


def _loader(flavor: str) -> Callable[..., Any]:
    module = f"mlflow.{flavor}"
    try:
        return import_module(module).load_model
    except (ModuleNotFoundError, AttributeError) as error:
        # The flavor's own library may be missing instead.
        if isinstance(error, ModuleNotFoundError) and not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ValueError(f"flavor must be one that MLflow loads, such as pyfunc or pytorch, got {flavor!r}.") from error
