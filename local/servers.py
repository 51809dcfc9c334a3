"""Temporary servers on loopback for one command or test, with their data in a temporary folder.

The Kubernetes server has no node: it stores, validates and garbage-collects objects and runs the controllers, but
never starts a pod. It is up in seconds, and a preview or a test of the engine needs no more.
"""

import base64
import json
import os
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

UP_SECONDS = 90


class ServerError(Exception):
    """A server did not start, or refused a request."""


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(kw_only=True)
class Processes:
    """Processes with one log each, stopped in the reverse order of their start."""

    folder: Path
    started: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    def start(self, name: str, argv: Sequence[str | Path], **environment: str) -> None:
        """Start a process and write its output to `<name>.log`."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                argv, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder, env=os.environ | environment
            )
        self.started.append((name, process))

    def until(self, ready: Callable[[], bool], what: str) -> None:
        """Wait until a server answers; otherwise raise `ServerError` with the end of its log."""
        end = time.monotonic() + UP_SECONDS
        while time.monotonic() < end:
            with suppress(OSError, ServerError):
                if ready():
                    return
            dead = [name for name, process in self.started if process.poll() is not None]
            if dead:
                break
            time.sleep(0.2)
        logs = "\n".join((self.folder / f"{name}.log").read_text()[-2000:] for name, _ in self.started)
        message = f"{what} is not up after {UP_SECONDS} s or has ended:\n{logs}"
        raise ServerError(message)

    def stop(self) -> None:
        """Stop all processes."""
        for _, process in reversed(self.started):
            process.terminate()
        for _, process in reversed(self.started):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


class Kubernetes:
    """An API server with its controllers; `kubeconfig` is the administrator's."""

    def __init__(self, folder: Path, tools: dict[str, Path]) -> None:
        self._processes = Processes(folder=folder)
        self._folder = folder
        self._tools = tools
        self._port = free_port()
        self._token = secrets.token_hex(16)
        self._key = folder / "service-account.key"
        self.kubeconfig = folder / "kubeconfig"

    @property
    def address(self) -> str:
        """The address of the API server."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def certificate(self) -> bytes:
        """The API server's self-signed certificate, in PEM."""
        return (self._folder / "certificates" / "apiserver.crt").read_bytes()

    def start(self) -> None:
        """Start etcd, the API server and the controllers, and wait for them."""
        self.start_api()
        self._start_controllers()

    def start_api(self) -> None:
        """Start only etcd and the API server, which suffice for dry runs."""
        etcd, peer = free_port(), free_port()
        self._processes.start(
            "etcd",
            [
                self._tools["etcd"],
                f"--data-dir={self._folder / 'etcd'}",
                f"--listen-client-urls=http://127.0.0.1:{etcd}",
                f"--advertise-client-urls=http://127.0.0.1:{etcd}",
                f"--listen-peer-urls=http://127.0.0.1:{peer}",
                f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
                f"--initial-cluster=default=http://127.0.0.1:{peer}",
                "--unsafe-no-fsync",
            ],
        )
        self._write_key()
        (self._folder / "tokens.csv").write_text(f"{self._token},admin,1,system:masters\n")
        self._processes.start(
            "kube-apiserver",
            [
                self._tools["kube-apiserver"],
                f"--etcd-servers=http://127.0.0.1:{etcd}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self._port}",
                f"--cert-dir={self._folder / 'certificates'}",
                "--endpoint-reconciler-type=none",
                "--service-cluster-ip-range=10.231.0.0/24",
                "--authorization-mode=RBAC",
                f"--token-auth-file={self._folder / 'tokens.csv'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self._key}",
                f"--service-account-signing-key-file={self._key}",
                "--disable-admission-plugins=ServiceAccount",
            ],
        )
        self._processes.until(lambda: bool(self.get("/readyz", parse=False)), "kube-apiserver")
        self._write_kubeconfig()

    def _start_controllers(self) -> None:
        self._processes.start(
            "kube-controller-manager",
            [
                self._tools["kube-controller-manager"],
                f"--kubeconfig={self.kubeconfig}",
                f"--service-account-private-key-file={self._key}",
                "--use-service-account-credentials=false",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--secure-port={free_port()}",
            ],
        )
        self._processes.until(
            lambda: bool(self.get("/api/v1/namespaces/default/configmaps/kube-root-ca.crt")), "kube-controller-manager"
        )

    def stop(self) -> None:
        """Stop all parts."""
        self._processes.stop()

    def get(self, path: str, *, parse: bool = True) -> Any:  # noqa: ANN401 - whatever the object's kind has
        """Return an object, or None if it does not exist."""
        return self._call("GET", path, parse=parse)

    def create(self, path: str, thing: dict[str, Any]) -> Any:  # noqa: ANN401
        """Create an object without Pulumi."""
        return self._call("POST", path, json.dumps(thing).encode(), "application/json")

    def patch(self, path: str, change: dict[str, Any], manager: str = "kubectl-patch") -> Any:  # noqa: ANN401
        """Change an object without Pulumi."""
        kind = "application/merge-patch+json"
        return self._call("PATCH", f"{path}?fieldManager={manager}", json.dumps(change).encode(), kind)

    def delete(self, path: str) -> Any:  # noqa: ANN401
        """Delete an object without Pulumi."""
        return self._call("DELETE", path)

    def _call(self, method: str, path: str, data: bytes | None = None, kind: str = "", *, parse: bool = True) -> Any:  # noqa: ANN401
        request = urllib.request.Request(f"{self.address}{path}", data, method=method)  # noqa: S310
        request.add_header("Authorization", f"Bearer {self._token}")
        if kind:
            request.add_header("Content-Type", kind)
        # Its certificate is self-signed.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise ServerError(error.read().decode()) from error
        return json.loads(text) if parse else text

    def _write_key(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )

    def _write_kubeconfig(self) -> None:
        authority = base64.b64encode(self.certificate).decode()
        cluster = {"server": self.address, "certificate-authority-data": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
        }
        self.kubeconfig.write_text(json.dumps(config))
