"""Idempotency keys whose only memory is MLflow: a tag of the created object, written with the caller's rights.

So they work across replicas and restarts, and nobody can learn from a key what MLflow wouldn't show.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from workloads.gateway.caller import Caller
from workloads.gateway.errors import KeyReusedError

_KEY_TAG: Final = "aegis.idempotency.key"
_BODY_TAG: Final = "aegis.idempotency.body"


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """An idempotency key of one caller for one operation: digests of the key and of the request that came with it."""

    key: str
    body: str

    @classmethod
    def of(cls, text: str, caller: Caller, operation: str, request: Mapping[str, Any]) -> Self:
        """Return the key for a `request` that may be sent several times."""
        body = json.dumps(request, sort_keys=True).encode()
        return cls(key=_digest(caller.identity, operation, text), body=hashlib.sha256(body).hexdigest())

    @property
    def tags(self) -> dict[str, str]:
        """The tags that the created object carries."""
        return {_KEY_TAG: self.key, _BODY_TAG: self.body}

    @property
    def filter(self) -> str:
        """The filter of MLflow's searches that finds the created object."""
        return f"tags.`{_KEY_TAG}` = '{self.key}'"

    def check(self, tags: Mapping[str, str]) -> None:
        """Check that the object with `tags` was created by the same request.

        Raises:
            KeyReusedError: Another request came with this key.
        """
        if tags.get(_BODY_TAG) != self.body:
            raise KeyReusedError("The Idempotency-Key was sent before, with another request.")

    def made(self, tags: Mapping[str, str]) -> bool:
        """Return whether an object with `tags` was created with this key."""
        return tags.get(_KEY_TAG) == self.key


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
