"""The person and the login behind a decision."""

import getpass
import os
from collections.abc import Mapping
from typing import Any

from workloads.signing.keys import Signer
from workloads.signing.transit import Transit


def authenticated(signer: Signer) -> Mapping[str, Any]:
    """Return the login that Vault checked, or for a key in a file that key.

    Raises:
        WorkloadError: Vault is dead or refuses (`Exit.VAULT`).
    """
    return signer.identity() if isinstance(signer, Transit) else {"key": f"{signer.mount}/{signer.key}"}


def claimed(by: str | None) -> str | None:
    """Return who asks for the decision: `by`, else the actor of a GitHub workflow, else the user. No one checks it."""
    return by or os.environ.get("GITHUB_ACTOR") or _user()


def _user() -> str | None:
    try:
        return os.environ.get("USER") or getpass.getuser()
    # The pod's user ID may have no name.
    except (KeyError, OSError):
        return None
