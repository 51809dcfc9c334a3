"""The cluster and the user that a kubeconfig names; https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/."""

import base64
import binascii
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from local.plugins.provider import PluginError

_EXEC_SECONDS: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """The address of an API server and the credentials for it."""

    server: str
    namespace: str = "default"
    authority: bytes | None = None
    verify: bool = True
    server_name: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    token: str | None = None
    token_file: Path | None = None
    basic: tuple[str, str] | None = None
    # A command that prints a credential, such as `aws eks get-token`.
    exec: Mapping[str, Any] | None = None


def load(kubeconfig: str | None, context: str | None = None, cluster: str | None = None) -> Access:
    """Read a kubeconfig from its text or path, by default from `KUBECONFIG` or `~/.kube/config`.

    Raises:
        PluginError: the file can't be read, or doesn't contain the context, cluster or user.
    """
    text, folder = _text(kubeconfig)
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"kubeconfig: invalid YAML: {error}"
        raise PluginError(message) from error
    if not isinstance(config, dict):
        message = "kubeconfig: expected a document of kind Config"
        raise PluginError(message)
    chosen = context or config.get("current-context")
    entry = _named(config, "contexts", chosen).get("context") or {}
    target = _named(config, "clusters", cluster or entry.get("cluster")).get("cluster") or {}
    user = _named(config, "users", entry["user"]).get("user") or {} if entry.get("user") else {}
    return _access(target, user, folder, entry.get("namespace"))


def _text(kubeconfig: str | None) -> tuple[str, Path]:
    source = kubeconfig or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or str(Path.home() / ".kube/config")
    if "\n" in source or source.lstrip().startswith("{"):
        return source, Path.cwd()
    path = Path(source).expanduser()
    try:
        return path.read_text(), path.parent
    except OSError as error:
        message = f"kubeconfig: can't read {path}: {error.strerror}"
        raise PluginError(message) from error


def _named(config: Mapping[str, Any], section: str, name: str | None) -> Mapping[str, Any]:
    entries = config.get(section) or []
    for entry in entries:
        if entry.get("name") == name:
            return entry
    names = ", ".join(str(entry.get("name")) for entry in entries) or "none"
    message = f"kubeconfig: {name!r} isn't one of the {section}: {names}"
    raise PluginError(message)


def _access(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path, namespace: str | None) -> Access:
    token_file = user.get("tokenFile")
    basic = (user["username"], user.get("password", "")) if user.get("username") else None
    return Access(
        server=str(cluster.get("server", "")).rstrip("/"),
        namespace=namespace or "default",
        authority=_bytes(cluster, "certificate-authority", folder),
        verify=not cluster.get("insecure-skip-tls-verify", False),
        server_name=cluster.get("tls-server-name"),
        certificate=_bytes(user, "client-certificate", folder),
        key=_bytes(user, "client-key", folder),
        token=user.get("token"),
        token_file=folder / token_file if token_file else None,
        basic=basic,
        exec=user.get("exec"),
    )


def _bytes(section: Mapping[str, Any], name: str, folder: Path) -> bytes | None:
    """Return a certificate or key, which may be inline or in a file."""
    try:
        if data := section.get(f"{name}-data"):
            return base64.b64decode(data)
        return (folder / section[name]).read_bytes() if section.get(name) else None
    except (OSError, binascii.Error) as error:
        message = f"kubeconfig: can't read {name}: {error}"
        raise PluginError(message) from error


def run_exec(command: Mapping[str, Any]) -> tuple[str | None, bytes | None, bytes | None, str | None]:
    """Run a credential command and return its token, certificate, key and expiry time (RFC 3339).

    Raises:
        PluginError: the command fails or doesn't print a credential.
    """
    argv = [command["command"], *(command.get("args") or [])]
    environment = os.environ | {pair["name"]: pair["value"] for pair in command.get("env") or []}
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(
        {"apiVersion": command.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    )
    try:
        process = subprocess.run(argv, env=environment, capture_output=True, check=True, timeout=_EXEC_SECONDS)
        status = json.loads(process.stdout)["status"]
    except subprocess.CalledProcessError as error:
        message = (
            f"kubeconfig: {argv[0]} exited with {error.returncode}: {error.stderr.decode(errors='replace').strip()}"
        )
        raise PluginError(message) from error
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        message = f"kubeconfig: {argv[0]} didn't return a credential: {error}"
        raise PluginError(message) from error
    certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
    return (
        status.get("token"),
        certificate.encode() if certificate else None,
        key.encode() if key else None,
        status.get("expirationTimestamp"),
    )


def as_file(content: bytes) -> Path:
    """Write a key to a file that only this user can read. The caller deletes it."""
    handle, name = tempfile.mkstemp(prefix="aegis-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return Path(name)
