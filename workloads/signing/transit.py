"""Vault's transit engine as the signer: it hands out public keys and signs digests; the private key never leaves it.

The policy that this needs: `read` on `transit/keys/<key>` and `update` on `transit/sign/<key>`.
"""

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import hvac
import requests
from hvac import exceptions

from contracts import KUBERNETES_AUTH_MOUNT, TRANSIT_KEY, TRANSIT_MOUNT, VAULT_TOKEN_PATH, Env, Exit
from workloads import retry
from workloads.cli import WorkloadError, require_env
from workloads.signing import keys
from workloads.signing.signer import KeyRing

T = TypeVar("T")

KEY_TYPE = "ecdsa-p256"
_TIMEOUT_SECONDS = 10
_ATTEMPTS = 4
_TRANSIENT = (
    requests.ConnectionError,
    requests.Timeout,
    exceptions.VaultDown,
    exceptions.VaultNotInitialized,
    exceptions.BadGateway,
    exceptions.InternalServerError,
    exceptions.RateLimitExceeded,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Transit:
    """A transit key of a Vault server; `login` returns a client with a token."""

    address: str
    login: Callable[[], hvac.Client]
    mount: str = TRANSIT_MOUNT
    key: str = TRANSIT_KEY

    def key_ring(self) -> KeyRing:
        """Return the public keys; as the first call it also tells whether Vault answers and lets us in.

        Raises:
            WorkloadError: Vault is dead, refuses, or holds no P-256 key of that name; exits with `Exit.VAULT`.
        """
        data = self._call(
            f"read {self.mount}/keys/{self.key}",
            lambda client: client.secrets.transit.read_key(name=self.key, mount_point=self.mount)["data"],
        )
        if data["type"] != KEY_TYPE:
            raise WorkloadError(f"Vault's key {self.key} is of type {data['type']}, not {KEY_TYPE}.", Exit.VAULT)
        versions = {
            int(version): keys.parse(entry["public_key"].encode(), f"{self.key} version {version}")
            for version, entry in data["keys"].items()
        }
        return KeyRing(latest=data["latest_version"], versions=versions)

    def sign(self, digests: Sequence[bytes], version: int) -> list[bytes]:
        """Return the DER signatures of SHA-256 `digests`, all made in one request with one version of the key.

        Raises:
            WorkloadError: Vault is dead or refuses; exits with `Exit.VAULT`.
        """
        results = self._call(
            f"sign with {self.mount}/sign/{self.key}",
            lambda client: client.secrets.transit.sign_data(
                name=self.key,
                mount_point=self.mount,
                batch_input=[{"input": base64.b64encode(digest).decode()} for digest in digests],
                key_version=version,
                prehashed=True,
                hash_algorithm="sha2-256",
                marshaling_algorithm="asn1",
            )["data"]["batch_results"],
        )
        return [self._signature(result, version) for result in results]

    def _signature(self, result: dict[str, str], version: int) -> bytes:
        if result.get("error"):
            raise WorkloadError(f"Vault at {self.address} does not sign: {result['error']}", Exit.VAULT)
        # The form is `vault:v<version>:<base64>`.
        _, signed_by, encoded = result["signature"].split(":", 2)
        if signed_by != f"v{version}":
            raise WorkloadError(f"Vault signed with version {signed_by} of the key, asked was v{version}.", Exit.VAULT)
        return base64.b64decode(encoded)

    def _call(self, purpose: str, action: Callable[[hvac.Client], T]) -> T:
        try:
            return retry.call(
                lambda: action(self.login()),
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
        # An OSError beside those of `requests` is a file of VAULT_CACERT that isn't there.
        except (exceptions.VaultError, OSError) as error:
            raise WorkloadError(f"Vault at {self.address} refuses to {purpose}: {_line(error)}", Exit.VAULT) from error


def from_environment(key: str = TRANSIT_KEY, mount: str = TRANSIT_MOUNT) -> Transit:
    """Return the signer that the environment names: `VAULT_ADDR`, and `VAULT_TOKEN` or a role for the pod's token.

    `VAULT_CACERT` and `VAULT_CAPATH` are hvac's to read.

    Raises:
        WorkloadError: A variable is missing.
    """
    address = require_env(Env.VAULT_ADDR, "the address of Vault, such as http://127.0.0.1:8200")
    if token := os.environ.get(Env.VAULT_TOKEN):
        return Transit(address=address, login=lambda: _client(address, token), mount=mount, key=key)
    if role := os.environ.get(Env.VAULT_ROLE):
        auth = os.environ.get(Env.VAULT_AUTH_MOUNT) or KUBERNETES_AUTH_MOUNT
        return Transit(address=address, login=lambda: _pod_client(address, auth, role), mount=mount, key=key)
    raise WorkloadError(
        f"Neither {Env.VAULT_TOKEN} nor {Env.VAULT_ROLE} is set: one of them says how to log in to Vault.", Exit.USAGE
    )


def _client(address: str, token: str | None) -> hvac.Client:
    return hvac.Client(address, token=token, timeout=_TIMEOUT_SECONDS, namespace=os.environ.get(Env.VAULT_NAMESPACE))


def _pod_client(address: str, auth: str, role: str) -> hvac.Client:
    try:
        jwt = Path(VAULT_TOKEN_PATH).read_text(encoding="ascii")
    except OSError as error:
        raise WorkloadError(
            f"The pod's token for Vault, {VAULT_TOKEN_PATH}, cannot be read: {error.strerror}", Exit.VAULT
        ) from error
    client = _client(address, None)
    # Vault's `jwt` method takes the same request as its `kubernetes` one.
    client.auth.kubernetes.login(role=role, jwt=jwt, mount_point=auth)
    return client


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
