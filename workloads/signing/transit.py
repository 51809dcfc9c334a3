"""Sign with Vault's transit engine, which signs digests and exports public keys; the private key never leaves it.

Required policy: `read` on `transit/keys/<key>` and `update` on `transit/sign/<key>`. The answers are checked strictly.
Format: https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

import base64
import binascii
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import hvac
import requests
from hvac import exceptions

from aegis.keys import PublicKey
from contracts import KUBERNETES_AUTH_MOUNT, TRANSIT_KEY, TRANSIT_MOUNT, VAULT_TOKEN_PATH, Env, Exit
from workloads import credentials, retry
from workloads.cli import WorkloadError, require_address
from workloads.signing.inputs import read_any
from workloads.signing.keys import KeyRing, parse

T = TypeVar("T")

_KEY_TYPE = "ecdsa-p256"
_TIMEOUT_SECONDS = 10
_ATTEMPTS = 4
_LARGEST_TOKEN = 1 << 20
# Mounts, namespaces, roles and key names.
_PATH = re.compile(r"(?!\.)[A-Za-z0-9_.-]+(/(?!\.)[A-Za-z0-9_.-]+)*")
# Fields of a token: https://developer.hashicorp.com/vault/api-docs/auth/token#lookup-a-token-self
_IDENTITY = ("display_name", "entity_id", "path", "meta")
_NONSENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_TRANSIENT = (
    requests.ConnectionError,
    requests.Timeout,
    exceptions.VaultDown,
    exceptions.VaultNotInitialized,
    exceptions.BadGateway,
    exceptions.InternalServerError,
    exceptions.RateLimitExceeded,
)


class AnswerError(Exception):
    """Vault's answer isn't what was asked for; the text is the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transit:
    """A transit key of a Vault server; `login` returns a client with a token."""

    address: str
    login: Callable[[], hvac.Client]
    mount: str = TRANSIT_MOUNT
    key: str = TRANSIT_KEY

    def key_ring(self) -> KeyRing:
        """Return the public keys. Call it first: it also shows that Vault answers and accepts the login.

        Raises:
            WorkloadError: Vault is dead, refuses, or holds no P-256 key of that name; exits with `Exit.VAULT`.
        """
        return self._call(
            f"read {self.mount}/keys/{self.key}",
            lambda client: _key_ring(client.secrets.transit.read_key(name=self.key, mount_point=self.mount), self.key),
        )

    def sign(self, digests: Sequence[bytes], version: int) -> list[bytes]:
        """Return the DER signatures of SHA-256 `digests`, made in one request with one version of the key.

        Raises:
            WorkloadError: Vault is dead or refuses; exits with `Exit.VAULT`.
        """
        inputs = [{"input": base64.b64encode(digest).decode()} for digest in digests]
        return self._call(
            f"sign with {self.mount}/sign/{self.key}",
            lambda client: _signatures(
                client.secrets.transit.sign_data(
                    name=self.key,
                    mount_point=self.mount,
                    batch_input=inputs,
                    key_version=version,
                    prehashed=True,
                    hash_algorithm="sha2-256",
                    marshaling_algorithm="asn1",
                ),
                version,
                len(inputs),
            ),
        )

    def identity(self) -> dict[str, Any]:
        """Return who the token belongs to: its display name, entity, login path and the login's metadata.

        A token that may not `read` `auth/token/lookup-self` can sign all the same: its owner is unknown then.

        Raises:
            WorkloadError: Vault is dead or refuses; exits with `Exit.VAULT`.
        """
        return {"vault": self.address} | self._call("read auth/token/lookup-self", _identity)

    def _call(self, purpose: str, action: Callable[[hvac.Client], T]) -> T:
        try:
            return retry.call(
                lambda: _refusing(lambda: action(self.login())),
                service=f"Vault at {self.address}",
                code=Exit.VAULT,
                transient=_TRANSIENT,
                attempts=_ATTEMPTS,
            )
        except exceptions.Forbidden as error:
            raise WorkloadError(
                f"Vault at {self.address} denies permission to {purpose}: check the token and its policy.", Exit.VAULT
            ) from error
        except exceptions.InvalidPath as error:
            raise WorkloadError(
                f"Vault at {self.address} has no key {self.key} in the transit engine {self.mount}.", Exit.VAULT
            ) from error
        except AnswerError as error:
            raise WorkloadError(f"Vault at {self.address} was asked to {purpose}: {error}.", Exit.VAULT) from error
        # An OSError that isn't one of `requests` means that the file of VAULT_CACERT is missing.
        except (exceptions.VaultError, OSError) as error:
            raise WorkloadError(f"Vault at {self.address} refuses to {purpose}: {_line(error)}", Exit.VAULT) from error
        # hvac and requests raise these for an address or an answer that they can't parse.
        except _NONSENSE as error:
            raise WorkloadError(
                f"{self.address} does not answer like Vault when asked to {purpose}: {_line(error)}", Exit.VAULT
            ) from error


def from_environment(key: str | None = None, mount: str | None = None) -> Transit:
    """Return the signer of the environment variables: `VAULT_ADDR`, and `VAULT_TOKEN` or a role for the pod's token.

    `key` and `mount` default to the environment variables, then to the platform's names. hvac reads `VAULT_CACERT` and
    `VAULT_CAPATH`.

    Raises:
        WorkloadError: A variable is missing or its value is invalid.
    """
    address = require_address(Env.VAULT_ADDR, "the address of Vault, such as http://127.0.0.1:8200")
    namespace = _path(Env.VAULT_NAMESPACE) or None
    transit = partial(
        Transit,
        address=address,
        mount=_path(Env.VAULT_TRANSIT_MOUNT, mount) or TRANSIT_MOUNT,
        key=_path(Env.VAULT_TRANSIT_KEY, key) or TRANSIT_KEY,
    )
    if token := credentials.from_environment(Env.VAULT_TOKEN):
        return transit(login=lambda: _client(address, namespace, token))
    if role := _path(Env.VAULT_ROLE):
        auth = _path(Env.VAULT_AUTH_MOUNT) or KUBERNETES_AUTH_MOUNT
        return transit(login=lambda: _pod_client(address, namespace, auth, role))
    raise WorkloadError(
        f"Neither {Env.VAULT_TOKEN} nor {Env.VAULT_ROLE} is set: the login to Vault needs one of them.", Exit.USAGE
    )


def _path(variable: str, option: str | None = None) -> str:
    """Return a name or path in Vault, from `option` or else the environment variable, without slashes around it."""
    value = os.environ.get(variable, "") if option is None else option
    path = value.strip().strip("/")
    if (path or option is not None) and not _PATH.fullmatch(path):
        raise WorkloadError(
            f"{variable} must be letters, digits, _, - and . between slashes, got {value!r}.",
            Exit.USAGE,
        )
    return path


def _client(address: str, namespace: str | None, token: str) -> hvac.Client:
    return hvac.Client(address, token=token, timeout=_TIMEOUT_SECONDS, namespace=namespace)


def _pod_client(address: str, namespace: str | None, auth: str, role: str) -> hvac.Client:
    try:
        jwt = read_any(Path(VAULT_TOKEN_PATH), _LARGEST_TOKEN).decode(errors="replace")
    except OSError as error:
        raise WorkloadError(
            f"The pod's token for Vault, {VAULT_TOKEN_PATH}, cannot be read: {error.strerror or error}", Exit.VAULT
        ) from error
    # Without an explicit token, hvac would take one from the home folder.
    client = _client(address, namespace, "")
    # Vault's `jwt` method takes the same request as its `kubernetes` one.
    client.auth.kubernetes.login(role=role, jwt=_sendable(jwt, VAULT_TOKEN_PATH), mount_point=auth)
    _sendable(str(client.token or ""), "the token that the login gave")
    return client


def _sendable(token: str, name: str) -> str:
    try:
        if sendable := credentials.checked(token, name):
            return sendable
    except WorkloadError as error:
        raise AnswerError(str(error)) from error
    raise AnswerError(f"{name} is empty")


def _refusing(action: Callable[[], T]) -> T:
    """Return `action()`, and raise a permanent error for an untrusted certificate, which a retry can't help."""
    try:
        return action()
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise exceptions.VaultError(str(error)) from error
        raise


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _identity(client: hvac.Client) -> dict[str, Any]:
    """Return the parts of the answer to "lookup-self" that say who the token belongs to, without any secret."""
    try:
        answer = client.auth.token.lookup_self()
    except exceptions.Forbidden:
        return {"unknown": "the token may not read auth/token/lookup-self"}
    data = _object(_object(answer, "answer").get("data"), "data")
    return {name: data[name] for name in _IDENTITY if data.get(name)}


def _key_ring(answer: Any, key: str) -> KeyRing:  # noqa: ANN401 - any JSON value
    """Return the public keys in the answer to "read key".

    Raises:
        AnswerError: It holds none, or the key is of another type.
    """
    data = _object(_object(answer, "answer").get("data"), "data")
    if (kind := data.get("type")) != _KEY_TYPE:
        raise AnswerError(f"the key {key} is of type {kind}, not {_KEY_TYPE}")
    versions = {
        _number(version): _public_key(_object(entry, "key"), f"{key} version {version}")
        for version, entry in _object(data.get("keys"), "keys").items()
    }
    latest = data.get("latest_version")
    if not isinstance(latest, int) or latest not in versions:
        raise AnswerError(f"the public key of the newest version, {latest!r}, is missing")
    return KeyRing(latest=latest, versions=versions)


def _signatures(answer: Any, version: int, count: int) -> list[bytes]:  # noqa: ANN401 - any JSON value
    """Return the `count` DER signatures in the answer to "sign".

    Raises:
        AnswerError: Their number differs, or another version of the key made one.
    """
    results = _object(_object(answer, "answer").get("data"), "data").get("batch_results")
    if not isinstance(results, list) or len(results) != count:
        raise AnswerError(f"it did not return {count} signatures")
    return [_signature(_object(result, "signature"), version) for result in results]


def _signature(result: dict[str, Any], version: int) -> bytes:
    if error := result.get("error"):
        raise AnswerError(f"it refuses to sign: {error}")
    # The form is `vault:v<version>:<base64>`.
    _, _, tail = str(result.get("signature")).partition(":")
    signed_by, _, encoded = tail.partition(":")
    if signed_by != f"v{version}":
        raise AnswerError(f"version {signed_by} of the key signed instead of v{version}")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AnswerError("a signature is not base64") from error


def _public_key(entry: dict[str, Any], name: str) -> PublicKey:
    pem = entry.get("public_key")
    if not isinstance(pem, str) or not pem.isascii():
        raise AnswerError(f"{name} has no public key")
    try:
        return parse(pem.encode(), name)
    except WorkloadError as error:
        raise AnswerError(str(error)) from error


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AnswerError(f"{name} is not a JSON object")
    return value


def _number(version: str) -> int:
    if not version.isascii() or not version.isdecimal() or len(version) > len(str(1 << 31)):
        raise AnswerError(f"{version!r} is not a key version")
    return int(version)
