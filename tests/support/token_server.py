"""A token server for a real registry: gives whoever knows the password a token for exactly what was asked for.

https://distribution.github.io/distribution/spec/auth/jwt/
"""

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

_ISSUER, _SERVICE, _KEY = "issuer-of-the-tests", "registry-of-the-tests", "key-of-the-tests"


@dataclass(kw_only=True)
class TokenServer:
    """The server's user and password, and the scopes that were asked for."""

    user: str = "robot"
    password: str = "only for tests"
    address: str = ""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    asked: list[list[str]] = field(default_factory=list)

    def registry_config(self, folder: Path) -> Mapping[str, Any]:
        """Return the registry's `auth`, whose file with the public key is written into `folder`."""
        public = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        keys = folder / "keys.json"
        keys.write_text(json.dumps({"keys": [public | {"kid": _KEY, "use": "sig", "alg": "ES256"}]}))
        token = {"realm": f"{self.address}/token", "service": _SERVICE, "issuer": _ISSUER, "jwks": str(keys)}
        return {"token": token}

    def write_docker_config(self, folder: Path, registry: str) -> Path:
        """Write Docker's config.json with the password, and return its path."""
        auth = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        path = folder / "config.json"
        path.write_text(json.dumps({"auths": {registry: {"auth": auth}}}))
        return path

    def token(self, scopes: list[str]) -> str:
        """Return a token that allows `scopes`."""
        self.asked.append(scopes)
        access = [dict(zip(("type", "name", "actions"), scope.split(":"), strict=True)) for scope in scopes]
        now = int(time.time())
        claims = {"iss": _ISSUER, "sub": self.user, "aud": _SERVICE, "nbf": now - 60, "iat": now, "exp": now + 300}
        claims["access"] = [each | {"actions": each["actions"].split(",")} for each in access]
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": _KEY})


@contextmanager
def token_server() -> Iterator[TokenServer]:
    """Run a token server on the loopback address."""
    state = TokenServer()
    expected = "Basic " + base64.b64encode(f"{state.user}:{state.password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            is_known = self.headers.get("Authorization") == expected
            content = json.dumps({"token": state.token(query.get("scope", []))} if is_known else {}).encode()
            self.send_response(200 if is_known else 401)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
