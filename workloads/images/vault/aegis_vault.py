#!/usr/bin/env python3
"""Runs a Vault server that initialises and unseals itself: for the embedded platform only.

The unseal key lies beside the data it protects, so this Vault guards its secrets from the network and from other
pods, and not from a reader of its volume. A production Vault has an operator, or a cloud's key, to unseal it.

Environment: AEGIS_VAULT_ROOT_TOKEN is the id of a token with the policy `root` that will exist once Vault is ready; a
token that an earlier value made is revoked. The token that Vault itself makes at its initialisation is revoked too.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TOKEN_ENV = "AEGIS_VAULT_ROOT_TOKEN"  # noqa: S105 - the name of a variable
# Auth methods that this build of Vault has as programs of their own, each under the method's name.
PLUGINS = Path("/usr/local/lib/vault")
START_SECONDS = 60
REQUEST_SECONDS = 30


class VaultError(Exception):
    """Vault can't be brought to work; the text is the one line that the container's log ends with."""


class RefusedError(VaultError):
    """Vault answered a request with an error."""


class Api:
    """Vault's HTTP API on this machine; no secret is ever part of an argument list."""

    def __init__(self, address: str) -> None:
        self.address = address

    def call(self, method: str, path: str, token: str | None = None, **body: object) -> dict[str, Any]:
        """Send a request and return what Vault answers.

        Raises:
            RefusedError: Vault answered with an error.
            OSError: Vault did not answer.
        """
        request = urllib.request.Request(f"{self.address}/v1/{path}", method=method)  # noqa: S310 - always http, to loopback
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("X-Vault-Token", token)
        data = json.dumps(body).encode() if method != "GET" else None
        try:
            with urllib.request.urlopen(request, data=data, timeout=REQUEST_SECONDS) as response:  # noqa: S310
                text = response.read()
        except urllib.error.HTTPError as error:
            reasons = error.read().decode(errors="replace").strip()
            raise RefusedError(f"Vault refused {method} {path} with {error.code}: {reasons}") from error
        return json.loads(text) if text else {}


class Volume:
    """What is kept beside Vault's own storage: the unseal key, and traces of an initialisation that was cut off."""

    def __init__(self, folder: Path) -> None:
        self.storage = folder / "raft"
        self._state = folder / "unseal.json"
        self._begun = folder / "initialising"

    def state(self) -> dict[str, str]:
        """Return the unseal `key`, the root token's `accessor`, `prepared_sha256` of what is set up, once known."""
        try:
            return json.loads(self._state.read_text())
        except FileNotFoundError:
            return {}

    def knows(self, token: str, plugins: Mapping[str, str]) -> bool:
        """Return whether `token` was made, and these very plugins were registered, in this Vault."""
        return self.state().get("prepared_sha256") == _fingerprint(token, plugins)

    def save(self, **changes: str) -> None:
        """Add to the state: whole on the disk, or not at all."""
        if self.state() == self.state() | changes:
            return
        new = self._state.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        with new.open("w") as file:
            json.dump({**self.state(), **changes}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._state)
        self._sync()
        self._begun.unlink(missing_ok=True)

    def begin(self) -> None:
        """Note that the storage is about to be initialised, with a key that nobody knows until `save`."""
        self._begun.touch()
        self._sync()

    def prepare(self) -> None:
        """Make the storage's folder, and empty one whose initialisation was cut off: it holds nothing that can be read.

        Raises:
            VaultError: The storage holds data, and its key is gone.
        """
        if not self.state() and self._begun.exists():
            shutil.rmtree(self.storage, ignore_errors=True)
        elif not self.state() and self.storage.exists() and any(self.storage.iterdir()):
            raise VaultError(f"{self.storage} holds data, but {self._state} with its unseal key is gone: restore it.")
        self.storage.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _sync(self) -> None:
        folder = os.open(self._state.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def configuration(storage: Path, listen: str, api_address: str) -> dict[str, Any]:
    """Return the server's configuration: https://developer.hashicorp.com/vault/docs/configuration."""
    return {
        "storage": {"raft": {"path": str(storage), "node_id": "vault"}},
        # Inside of the one machine of the embedded platform; a production Vault serves TLS.
        "listener": {
            "tcp": {
                "address": listen,
                "tls_disable": True,
                # Figures without secrets, for whom the network policies let in.
                "telemetry": {"unauthenticated_metrics_access": True},
            }
        },
        "telemetry": {"prometheus_retention_time": "10m", "disable_hostname": True},
        "api_addr": api_address,
        "plugin_directory": str(PLUGINS),
        # Raft wants an address for its peers, and there are none.
        "cluster_addr": "http://127.0.0.1:8201",
        # Locking memory takes a capability that a restricted pod does not have.
        "disable_mlock": True,
        "ui": False,
    }


def bring_up(api: Api, volume: Volume, token: str, server: "subprocess.Popen[bytes]") -> None:
    """Initialise Vault if it is new, unseal it, and see to the root token `token` and the plugins."""
    status = _wait_for_answer(api, server)
    first_token = None
    if not status["initialized"]:
        volume.begin()
        made = api.call("PUT", "sys/init", secret_shares=1, secret_threshold=1)
        volume.save(key=made["keys_base64"][0])
        first_token = made["root_token"]
    api.call("PUT", "sys/unseal", key=volume.state()["key"])
    _wait_until_active(api, server)
    if not _is_root(api, token):
        _make_root(api, volume, token, first_token or _generate_root(api, volume.state()["key"]))
    plugins = installed_plugins()
    for name, digest in plugins.items():
        api.call("PUT", f"sys/plugins/catalog/auth/{name}", token, sha256=digest, command=name)
    volume.save(prepared_sha256=_fingerprint(token, plugins))


def installed_plugins() -> dict[str, str]:
    """Return the SHA-256 of each plugin of this image by its name, as Vault's catalog wants them."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(PLUGINS.glob("*"))}


def _fingerprint(token: str, plugins: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([token, plugins], sort_keys=True).encode()).hexdigest()


def _wait_for_answer(api: Api, server: "subprocess.Popen[bytes]") -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return api.call("GET", "sys/seal-status")
        except (OSError, RefusedError) as error:
            _check_patience(server, deadline, error)
        time.sleep(0.2)


def _wait_until_active(api: Api, server: "subprocess.Popen[bytes]") -> None:
    """Wait until Vault, unsealed, leads its cluster of one: before that it refuses requests."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            api.call("GET", "sys/health")
        except (OSError, RefusedError) as error:
            _check_patience(server, deadline, error)
        else:
            return
        time.sleep(0.2)


def _check_patience(server: "subprocess.Popen[bytes]", deadline: float, error: Exception) -> None:
    if server.poll() is not None:
        raise VaultError(f"The server ended with exit code {server.returncode}")
    if time.monotonic() > deadline:
        raise VaultError(f"The server is not ready after {START_SECONDS} s: {error}") from error


def _is_root(api: Api, token: str) -> bool:
    try:
        return "root" in api.call("GET", "auth/token/lookup-self", token)["data"]["policies"]
    except RefusedError:
        return False


def _generate_root(api: Api, key: str) -> str:
    """Return a new root token, made with the unseal key: https://developer.hashicorp.com/vault/docs/commands/operator/generate-root."""
    api.call("DELETE", "sys/generate-root/attempt")
    attempt = api.call("PUT", "sys/generate-root/attempt")
    done = api.call("PUT", "sys/generate-root/update", key=key, nonce=attempt["nonce"])
    encoded = done["encoded_token"]
    hidden = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    return bytes(a ^ b for a, b in zip(hidden, attempt["otp"].encode(), strict=True)).decode()


def _make_root(api: Api, volume: Volume, token: str, authority: str) -> None:
    """Make the root token `token`; afterwards neither the one of an earlier value nor `authority` works any more."""
    made = api.call(
        "POST", "auth/token/create", authority, id=token, policies=["root"], no_parent=True, display_name="aegis"
    )
    if earlier := volume.state().get("accessor"):
        with contextlib.suppress(RefusedError):
            api.call("POST", "auth/token/revoke-accessor", authority, accessor=earlier)
    volume.save(accessor=made["auth"]["accessor"])
    api.call("POST", "auth/token/revoke-self", authority)


class Server:
    """The Vault process of the moment: signals that end this process are passed on to it."""

    def __init__(self, volume: Volume, api_address: str) -> None:
        self._volume = volume
        self._api_address = api_address
        self.process: subprocess.Popen[bytes] | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self.stop())

    def start(self, listen: str, token: str) -> "subprocess.Popen[bytes]":
        """Start Vault at the address `listen`, and return once it is unsealed and the root token `token` works.

        Raises:
            VaultError: It does not come that far; its process has ended.
        """
        config = self._volume.storage.parent / "vault.json"
        config.write_text(json.dumps(configuration(self._volume.storage, listen, self._api_address), indent=2))
        environment = {name: value for name, value in os.environ.items() if name != TOKEN_ENV}
        self.process = subprocess.Popen(["vault", "server", f"-config={config}"], env=environment)
        try:
            bring_up(Api(f"http://127.0.0.1:{listen.rpartition(':')[2]}"), self._volume, token, self.process)
        except (VaultError, OSError) as error:
            self.stop()
            self.process.wait()
            raise VaultError(str(error)) from error
        return self.process

    def stop(self) -> None:
        """Ask Vault to end."""
        if self.process is not None:
            self.process.terminate()


def serve(volume: Volume, token: str, listen: str, api_address: str) -> int:
    """Run Vault until it ends or this process is told to end; return the exit code.

    A Vault that lacks the token or a plugin gets it while only this machine reaches it: whoever sees it ready can
    log in.
    """
    volume.prepare()
    server = Server(volume, api_address)
    if not volume.knows(token, installed_plugins()):
        process = server.start(f"127.0.0.1:{listen.rpartition(':')[2]}", token)
        server.stop()
        process.wait()
    process = server.start(listen, token)
    print("aegis-vault: ready", flush=True)
    return process.wait()


def main() -> int:
    """Read the arguments and the environment, and serve."""
    parser = argparse.ArgumentParser(prog="aegis-vault", description="Run a Vault that unseals itself.")
    parser.add_argument("--data", type=Path, default=Path("/vault/data"), help="the volume (default: %(default)s)")
    parser.add_argument("--listen", default="0.0.0.0:8200", help="address and port (default: %(default)s)")
    parser.add_argument(
        "--api-address", default="http://vault.vault.svc:8200", help="where clients reach it (default: %(default)s)"
    )
    arguments = parser.parse_args()
    token = os.environ.get(TOKEN_ENV, "")
    if not token:
        print(f"aegis-vault: {TOKEN_ENV} is not set: it is the id of the root token.", file=sys.stderr)
        return 2
    try:
        return serve(Volume(arguments.data), token, arguments.listen, arguments.api_address)
    except VaultError as error:
        print(f"aegis-vault: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
