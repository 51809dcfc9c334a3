"""The signature state of a version, from the evidence in its tags: no file of the model is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aegis import evidence
from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from aegis.trust import trusted_keys
from contracts import Env
from workloads import cli
from workloads.gateway import tags
from workloads.gateway.page.tables import Badge

CHECKED: Final = (
    "Checked here: that a trusted key signed the version's list of files, for this model and this run. The files "
    "themselves are compared with the list before they are served, and by "
    "python -m workloads.signing verify models:/NAME/VERSION --deep."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Version:
    name: str
    version: str
    run_id: str | None
    tags: dict[str, str]


def trusted() -> tuple[PublicKey, ...] | None:
    """Return the trusted keys, or None if none are configured or readable. They are read anew: keys are rotated."""
    if not cli.has_env(Env.TRUSTED_KEYS):
        return None
    try:
        # A message names a key by its file; the folder is only the gateway's business.
        return tuple(PublicKey(each.key, Path(each.name).name) for each in trusted_keys())
    except (ValueError, OSError):
        return None


def state(version: Mapping[str, Any], keys: Sequence[PublicKey] | None) -> Badge:
    """Return the signature state of a version in MLflow's form."""
    found = tags.to_dict(version.get("tags"))
    if not evidence.is_signed(found):
        return Badge(text="not signed")
    if keys is None:
        return Badge(text="signed, not checked", kind="busy", more="This gateway has no trusted keys.")
    checked = _Version(
        name=version["name"], version=version["version"], run_id=version.get("run_id") or None, tags=found
    )
    try:
        signed = evidence.check(checked, keys)
    except NotVerifiedError as error:
        return Badge(text=f"refused: {error}", kind="bad")
    key = signed.signed_by
    return Badge(text=f"signed by {key.name} v{key.version}", kind="good", more=f"key {key.fingerprint[:16]}…")
