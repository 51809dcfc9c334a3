"""Seals: the tracking server's own proof that it has read a version's files and found them as signed.

A seal lies in a tag of the version, which every client can write. So it is an HMAC with a secret of the server, over
all that it stands for: copied to another version, or after a change of the files, it doesn't match.
"""

import hashlib
import hmac
import json
import os
import secrets
from typing import Final

from mlflow.server.constants import FLASK_SERVER_SECRET_KEY_ENV_VAR

from workloads.tracking.gate.subject import Subject

_CONTEXT: Final = b"aegis.gate.seal/v1"


class Sealer:
    """Makes seals with a key derived from a secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _CONTEXT, hashlib.sha256)

    def seal(self, subject: Subject, content_sha256: str, fingerprint: str) -> str:
        """Return the seal of a version whose files have the signed content and are listed with this fingerprint."""
        statement = (subject.workspace, subject.name, subject.version, subject.location, content_sha256, fingerprint)
        return hmac.new(self._key, json.dumps(statement).encode(), hashlib.sha256).hexdigest()


def from_environment() -> Sealer:
    """Return a sealer with the secret that all replicas of the tracking server share.

    Without one, the secret is this process's own, and its seals are worthless to others.
    """
    shared = os.environ.get(FLASK_SERVER_SECRET_KEY_ENV_VAR)
    return Sealer(shared.encode() if shared else secrets.token_bytes(32))
