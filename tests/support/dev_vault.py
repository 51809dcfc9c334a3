"""A real Vault server in development mode on loopback, with the signing key and a token that may only sign."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hvac
import requests
from hvac import exceptions

from contracts import TRANSIT_KEY, TRANSIT_MOUNT

ROOT_TOKEN = "root-of-a-test"
_START_SECONDS = 60
_POLICY = f"""
path "{TRANSIT_MOUNT}/sign/{TRANSIT_KEY}"          {{ capabilities = ["update"] }}
path "{TRANSIT_MOUNT}/sign/{TRANSIT_KEY}/sha2-256" {{ capabilities = ["update"] }}
path "{TRANSIT_MOUNT}/keys/{TRANSIT_KEY}"          {{ capabilities = ["read"] }}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DevVault:
    """A running Vault server: `root` may do anything, `token` only what the signer may."""

    address: str
    token: str
    root: hvac.Client

    def environment(self) -> dict[str, str]:
        """Return the environment variables that the signer and cosign read."""
        return {"VAULT_ADDR": self.address, "VAULT_TOKEN": self.token}

    def rotate(self) -> None:
        """Create a new version of the key."""
        self.root.secrets.transit.rotate_key(name=TRANSIT_KEY, mount_point=TRANSIT_MOUNT)


@contextlib.contextmanager
def dev_vault(binary: Path, log: Path) -> Iterator[DevVault]:
    """Start and prepare a Vault server from `binary`, and stop it at the end.

    Raises:
        RuntimeError: The server doesn't answer in time; includes the end of `log`.
    """
    address = f"127.0.0.1:{_free_port()}"
    argv = [str(binary), "server", "-dev", f"-dev-listen-address={address}", f"-dev-root-token-id={ROOT_TOKEN}"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*argv, "-dev-no-store-token"], stdout=stream, stderr=subprocess.STDOUT, env={"HOME": str(log.parent)}
        )
    try:
        root = hvac.Client(f"http://{address}", token=ROOT_TOKEN)
        _wait(root, process, log)
        yield DevVault(address=f"http://{address}", token=_prepare(root), root=root)
    finally:
        process.terminate()
        process.wait()


def _prepare(root: hvac.Client) -> str:
    root.sys.enable_secrets_engine("transit", path=TRANSIT_MOUNT)
    root.secrets.transit.create_key(name=TRANSIT_KEY, key_type="ecdsa-p256", mount_point=TRANSIT_MOUNT)
    root.sys.create_or_update_policy("signer", _POLICY)
    return root.auth.token.create(policies=["signer"], ttl="1h")["auth"]["client_token"]


def _wait(root: hvac.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(requests.RequestException, exceptions.VaultError):
            if root.sys.is_initialized() and not root.sys.is_sealed() and root.is_authenticated():
                return
        time.sleep(0.2)
    raise RuntimeError(f"Vault did not start, see {log}:\n{log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
