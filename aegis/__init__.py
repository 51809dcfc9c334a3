"""Load only models that verify: `aegis.load_model("models:/NAME@champion")`.

It needs only mlflow and cryptography. The trusted public keys are those that the stack exports; `AEGIS_TRUSTED_KEYS`
names the PEM file or the folder that holds them.
"""

from typing import TYPE_CHECKING

from aegis.errors import NotVerifiedError

if TYPE_CHECKING:
    from aegis.loading import download, load_model, verify
    from aegis.version import VerifiedVersion

__all__ = ["NotVerifiedError", "VerifiedVersion", "download", "load_model", "verify"]


def __getattr__(name: str) -> object:
    """Import MLflow's client only when it is used: the rest of the package is needed where MLflow isn't."""
    if name not in __all__:
        raise AttributeError(f"module 'aegis' has no attribute {name!r}")
    from aegis import loading  # noqa: PLC0415 - see above

    return getattr(loading, name)
