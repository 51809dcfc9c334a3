"""Who asks: the headers by which MLflow knows the caller. The gateway has no rights of its own."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from aegis.strict import load_json
from workloads.gateway.errors import InvalidError

# MLflow's workspaces are chosen by a header (mlflow.utils.workspace_utils).
_PASSED_ON = ("authorization", "cookie", "x-mlflow-workspace")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The headers that are passed on for a caller. Equal callers have the same rights."""

    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """Return the caller of a request with `headers`, whose names must be in lower case or found in any case.

        Raises:
            InvalidError: The authentication isn't ASCII. No scheme has others, and MLflow would fail.
        """
        if not headers.get("authorization", "").isascii():
            raise InvalidError("The header Authorization may only have ASCII characters.")
        return cls(headers=tuple((name, value) for name in _PASSED_ON if (value := headers.get(name))))

    @cached_property
    def identity(self) -> str:
        """A digest that stays the same while the caller does, although tokens are renewed.

        It only separates the idempotency keys of callers. What a caller may do is decided by MLflow.
        """
        text = json.dumps([(name, _name(name, value)) for name, value in self.headers])
        return hashlib.sha256(text.encode()).hexdigest()


def _name(header: str, value: str) -> str:
    scheme, _, credential = value.partition(" ")
    if header == "authorization" and scheme.lower() == "basic":
        return _decoded(credential).partition(b":")[0].decode(errors="replace")
    if header == "authorization" and scheme.lower() == "bearer" and credential.count(".") == 2:  # noqa: PLR2004 - a JWT
        return _subject(credential) or value
    return value


def _subject(token: str) -> str | None:
    try:
        claims = load_json(_decoded(token.split(".")[1]))
    except ValueError:
        return None
    return f"{claims.get('iss')} {claims['sub']}" if isinstance(claims, dict) and "sub" in claims else None


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.encode() + b"==")
    except (binascii.Error, ValueError):
        return text.encode()
