"""The checks and errors of STS for a pod's token in AssumeRoleWithWebIdentity.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from local.aws import policies

ACTION = "sts:AssumeRoleWithWebIdentity"


class RefusedError(Exception):
    """A refused token, with STS's error code, HTTP status and message."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityProvider:
    """An OpenID Connect provider of the account. `key` is the public key for its tokens, in PEM."""

    arn: str
    issuer: str
    audiences: Sequence[str]
    key: str


def check(token: str, trust: policies.Document | None, providers: Mapping[str, IdentityProvider]) -> None:
    """Check a token against a role's trust policy. `providers` are the account's identity providers, by issuer.

    Raises:
        RefusedError: The token is invalid, the role doesn't trust it, or the role doesn't exist (`trust` is None).
    """
    provider, claims = _verified(token, providers)
    # Condition keys consist of the issuer without its scheme, and the claim.
    prefix = provider.issuer.removeprefix("https://")
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    message = f"Not authorized to perform {ACTION}"
    try:
        trusted = any(
            _trusts(trust or {}, provider.arn, {f"{prefix}:sub": claims["sub"], f"{prefix}:aud": audience})
            for audience in audiences
        )
    except policies.UnknownConditionError as error:
        raise RefusedError("AccessDenied", 403, f"{message}: {error}") from None
    if not trusted:
        raise RefusedError("AccessDenied", 403, message)


def _verified(token: str, providers: Mapping[str, IdentityProvider]) -> tuple[IdentityProvider, dict[str, Any]]:
    """Return the provider and the claims of a token, after checking its signature, audience and expiry."""
    try:
        issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
        if issuer not in providers:
            message = f"No OpenIDConnect provider found in your account for {issuer}"
            raise RefusedError("InvalidIdentityToken", 400, message)
        provider = providers[issuer]
        claims = jwt.decode(
            token,
            provider.key,
            algorithms=["RS256"],
            audience=provider.audiences,
            options={"require": ["exp", "iss", "sub", "aud"]},
        )
    except jwt.ExpiredSignatureError:
        message = "Token expired: the current date and time must be before its expiration"
        raise RefusedError("ExpiredTokenException", 400, message) from None
    except jwt.InvalidAudienceError:
        raise RefusedError("InvalidIdentityToken", 400, "Incorrect token audience") from None
    except jwt.PyJWTError as error:
        message = f"The ID Token provided is not a valid JWT: {error}"
        raise RefusedError("InvalidIdentityToken", 400, message) from None
    return provider, claims


def _trusts(trust: policies.Document, provider_arn: str, context: Mapping[str, str]) -> bool:
    call = policies.Call(action=ACTION, resource="", context={key.lower(): value for key, value in context.items()})
    effects = {
        statement["Effect"]
        for statement in policies.statements(trust)
        if _federated(statement, provider_arn) and policies.applies(statement, call)
    }
    return effects == {"Allow"}


def _federated(statement: policies.Document, provider_arn: str) -> bool:
    principal = statement.get("Principal")
    named = principal.get("Federated", ()) if isinstance(principal, dict) else ()
    return provider_arn in ([named] if isinstance(named, str) else named)
