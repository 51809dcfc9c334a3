"""Real servers for the engine tests, on loopback and with their data in a temporary folder."""

import json
import secrets
import shutil
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.servers import Processes, ServerError, free_port


class Vault:
    """A Vault server in development mode: unsealed, in memory, with a known root token."""

    def __init__(self, folder: Path, tools: dict[str, Path]) -> None:
        self._processes = Processes(folder=folder)
        self._tools = tools
        self.token = secrets.token_hex(16)
        self.address = f"http://127.0.0.1:{free_port()}"

    def start(self) -> None:
        """Start Vault with the Kubernetes auth method, which the minimal build lacks, and wait until it answers."""
        method = self._processes.folder / "plugins" / "kubernetes"
        method.parent.mkdir()
        shutil.copy(self._tools["vault-plugin-auth-kubernetes"], method)
        self._processes.start(
            "vault",
            [
                self._tools["vault"],
                "server",
                "-dev",
                f"-dev-plugin-dir={method.parent}",
                f"-dev-listen-address={self.address.removeprefix('http://')}",
                "-dev-no-store-token",
            ],
            VAULT_DEV_ROOT_TOKEN_ID=self.token,
            HOME=str(self._processes.folder),
        )
        self._processes.until(lambda: self.call("GET", "sys/health") is not None, "vault")

    def stop(self) -> None:
        """Stop the server."""
        self._processes.stop()

    def trust(self) -> tuple[Path, Path]:
        """Return a public key file and a CA certificate file, for auth methods that check signatures."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        public_format = serialization.PublicFormat.SubjectPublicKeyInfo
        files = (self._processes.folder / "trusted.pub", self._processes.folder / "trusted.crt")
        files[0].write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, public_format))
        files[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return files

    def call(self, method: str, path: str, data: dict[str, Any] | None = None) -> Any:
        """Call an API path, and return the response or None if the path doesn't exist."""
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"{self.address}/v1/{path}", body, method=method)  # noqa: S310
        request.add_header("X-Vault-Token", self.token)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise ServerError(error.read().decode()) from error
        return json.loads(text or b"{}")
