"""A small HTTP server that imitates Vault's transit engine and Kubernetes auth method, and fails on request."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.local_signer import LocalSigner

TOKEN = "s.test"


class FakeVault:
    """The settings and records of the fake Vault."""

    def __init__(self) -> None:
        self.address = ""
        self.signer = LocalSigner()
        self.key_type = "ecdsa-p256"
        self.auth_mount = "kubernetes"
        self.transit_mount = "transit"
        self.transit_key = "aegis-cosign"
        # What Vault says of the token.
        self.identity: dict[str, Any] = {"display_name": "token-tester", "entity_id": "", "meta": {"team": "research"}}
        # The error statuses of the next requests.
        self.failures: list[int] = []
        self.requests: list[tuple[str, str, Any]] = []
        # The Vault Enterprise namespace in each request.
        self.namespaces: list[str | None] = []
        # Replaces the status and content of the good response to a path. Bytes are sent unchanged.
        self.spoil: Callable[[str, Any], tuple[int, Any]] | None = None

    def answer(self, method: str, path: str, token: str | None, body: Any) -> tuple[int, Any]:
        self.requests.append((method, path, body))
        if self.failures:
            status = self.failures.pop(0)
            return status, {"errors": [f"made to fail with {status}"]}
        if path == f"/v1/auth/{self.auth_mount}/login":
            return 200, {"auth": {"client_token": TOKEN}}
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        if (method, path) == ("GET", f"/v1/{self.transit_mount}/keys/{self.transit_key}"):
            return 200, {"data": self._keys()}
        if path == f"/v1/{self.transit_mount}/sign/{self.transit_key}":
            return 200, {"data": {"batch_results": self._signatures(body)}}
        return self._token(method, path)

    def _token(self, method: str, path: str) -> tuple[int, Any]:
        if (method, path) != ("GET", "/v1/auth/token/lookup-self"):
            return 404, {"errors": []}
        return 200, {"data": {"id": TOKEN, "accessor": "a", "path": "auth/token/create"} | self.identity}

    def _keys(self) -> dict[str, Any]:
        ring = self.signer.key_ring()
        keys = {str(version): {"public_key": key.pem.decode()} for version, key in ring.versions.items()}
        return {"type": self.key_type, "latest_version": ring.latest, "keys": keys}

    def _signatures(self, body: Any) -> list[dict[str, str]]:
        version = body["key_version"]
        digests = [base64.b64decode(item["input"]) for item in body["batch_input"]]
        encoded = [base64.b64encode(signature).decode() for signature in self.signer.sign(digests, version)]
        return [{"signature": f"vault:v{version}:{signature}"} for signature in encoded]


@contextmanager
def fake_vault(certificate: ssl.SSLContext | None = None) -> Iterator[FakeVault]:
    """Serve a fake Vault on loopback, over TLS if there is a `certificate`."""
    vault = FakeVault()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            vault.namespaces.append(self.headers.get("X-Vault-Namespace"))
            status, answer = vault.answer(self.command, self.path, self.headers.get("X-Vault-Token"), body)
            if vault.spoil is not None:
                status, answer = vault.spoil(self.path, answer)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the names that the base class calls

        def log_message(self, *_: object, **__: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        server.socket = certificate.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    vault.address = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield vault
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
