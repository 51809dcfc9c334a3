"""An hvac client for the Vault server of a provider resource, which waits for a server that is starting."""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import hvac
import hvac.exceptions
import requests
import tenacity

from local.plugins.provider import PluginError
from local.plugins.values import Bag

_TIMEOUT_SECONDS: Final = 30
# For some seconds, a Vault server that was just started refuses connections, is sealed or has no leader.
_NOT_UP_YET: Final = (
    requests.ConnectionError,
    requests.Timeout,
    hvac.exceptions.VaultDown,
    hvac.exceptions.InternalServerError,
    hvac.exceptions.BadGateway,
)
_ATTEMPTS: Final = 8
# Vault's words about a mount or an audit device that exists.
_EXISTS: Final = "path is already in use"

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """The address of a Vault server and the credentials for it."""

    address: str
    token: str
    namespace: str | None = None
    # The path of a CA bundle, or whether to verify certificates at all.
    verify: str | bool = True

    def __post_init__(self) -> None:
        if not self.address.startswith(("http://", "https://")):
            message = f"vault: address must be an http:// or https:// URL, got {self.address!r}"
            raise PluginError(message)
        if not self.token:
            message = "vault: no token; set it on the provider, in VAULT_TOKEN or in ~/.vault-token"
            raise PluginError(message)


def server(config: Bag, environment: Mapping[str, str] = os.environ) -> Server:
    """Read the provider's inputs. The environment variables of Vault's own tools fill in missing ones.

    Raises:
        PluginError: an input is missing, or only the official plugin supports it.
    """
    unsupported = sorted(name for name in config if name.startswith("authLogin") and config[name])
    if unsupported:
        message = f"vault: the embedded plugin logs in with a token only, not with {', '.join(unsupported)}"
        raise PluginError(message)
    address = config.get("address") or environment.get("VAULT_ADDR")
    if not address:
        message = "vault: no address; set it on the provider or in VAULT_ADDR"
        raise PluginError(message)
    insecure = config.get("skipTlsVerify") or environment.get("VAULT_SKIP_VERIFY") in ("1", "true")
    bundle = config.get("caCertFile") or config.get("caCertDir") or environment.get("VAULT_CACERT")
    return Server(
        address=address,
        token=config.get("token") or environment.get("VAULT_TOKEN") or _helper_token(),
        namespace=config.get("namespace") or environment.get("VAULT_NAMESPACE"),
        verify=False if insecure else (bundle or True),
    )


def _helper_token() -> str:
    path = Path.home() / ".vault-token"
    return path.read_text().strip() if path.is_file() else ""


class Vault:
    """A client that reads, writes and deletes API paths such as `sys/mounts/transit`."""

    def __init__(self, vault_server: Server) -> None:
        self._server = vault_server
        self._local = threading.local()

    def read(self, path: str) -> Bag | None:
        """Return the data at a path, or None if there is none."""
        answer = self._call(path, lambda client: client.read(path))
        return answer.get("data", {}) if isinstance(answer, dict) else None

    def write(self, path: str, data: Bag) -> Bag:
        """Write to a path and return the response."""
        answer = self._call(path, lambda client: client.write_data(path, data=data))
        return answer.get("data") or {} if isinstance(answer, dict) else {}

    def delete(self, path: str) -> None:
        """Delete a path. Succeed if it doesn't exist."""
        self._call(path, lambda client: client.delete(path))

    def _call(self, path: str, call: Callable[[hvac.Client], _Answer]) -> _Answer | None:
        retry = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_NOT_UP_YET),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=tenacity.wait_exponential(multiplier=0.25, max=4),
            reraise=True,
        )
        try:
            return retry(call, self._client())
        except hvac.exceptions.InvalidPath:
            return None
        except hvac.exceptions.VaultError as error:
            # Vault can do what it is asked and fail afterwards, as while an audit device is being added. Then an
            # earlier attempt of this call made what is in the way of the last one.
            if retry.statistics["attempt_number"] > 1 and _EXISTS in _reason(error):
                return None
            message = f"Vault at {self._server.address} refused {path}: {_reason(error)}"
            raise PluginError(message) from error
        except requests.RequestException as error:
            message = f"Vault at {self._server.address} can't be reached: {error}"
            raise PluginError(message) from error

    def _client(self) -> hvac.Client:
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = hvac.Client(
                url=self._server.address,
                token=self._server.token,
                namespace=self._server.namespace,
                verify=self._server.verify,
                timeout=_TIMEOUT_SECONDS,
            )
        return client


def _reason(error: hvac.exceptions.VaultError) -> str:
    return "; ".join(str(each).strip() for each in error.errors or [error])
