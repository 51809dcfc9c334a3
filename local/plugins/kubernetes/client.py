"""A small, thread-safe client of the Kubernetes API, with JSON over persistent connections."""

import json
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

from local.plugins.kubernetes import kubeconfig
from local.plugins.kubernetes.kubeconfig import Access
from local.plugins.provider import PluginError

_CONNECTIONS: Final = 32
_TIMEOUT: Final = urllib3.Timeout(connect=5, read=60)
_RETRIES: Final = urllib3.Retry(total=3, connect=2, read=2, backoff_factor=0.2, status_forcelist=(429,), redirect=0)
_APPLY: Final = "application/apply-patch+yaml"
_JSON_PATCH: Final = "application/json-patch+json"
_NOT_FOUND: Final = 404
_FORBIDDEN: Final = 403
_FIRST_ERROR: Final = 400

Object = dict[str, Any]


class UnreachableError(PluginError):
    """The API server doesn't answer."""


class ApiError(PluginError):
    """An error response of the API server: `code` is the HTTP status, `status` the Status object."""

    def __init__(self, code: int, status: Object) -> None:
        super().__init__(status.get("message") or f"the API server answered {code}")
        self.code = code
        self.status = status

    @property
    def reason(self) -> str:
        """The machine-readable reason, such as `Invalid` or `AlreadyExists`."""
        return str(self.status.get("reason", ""))

    @property
    def causes(self) -> list[Object]:
        """The detailed causes, each with `reason`, `message` and `field`."""
        return (self.status.get("details") or {}).get("causes") or []

    @property
    def not_found(self) -> bool:
        """True if the object, its namespace or its kind doesn't exist."""
        return self.code == _NOT_FOUND

    @property
    def forbidden(self) -> bool:
        """True if the user isn't allowed to do this."""
        return self.code == _FORBIDDEN


class Client:
    """A client for one API server and one user."""

    def __init__(self, access: Access, warn: Callable[[str], None] = lambda _: None) -> None:
        if not access.server:
            message = "kubeconfig: the cluster has no server"
            raise PluginError(message)
        self._access = access
        self._warn = warn
        self._lock = threading.Lock()
        self._pool: urllib3.PoolManager | None = None
        self._exec_token: str | None = None
        self._expires: datetime | None = None

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context."""
        return self._access.namespace

    def get(self, path: str, **query: str) -> Object:
        """Return the object at a path."""
        return self._json("GET", path, query)

    def text(self, path: str, **query: str) -> str:
        """Return the content of a path as text, such as a pod's log."""
        return self._request("GET", path, query).decode(errors="replace")

    def apply(self, path: str, body: Object, **query: str) -> Object:
        """Apply an object server-side; https://kubernetes.io/docs/reference/using-api/server-side-apply/."""
        # JSON is YAML.
        return self._json("PATCH", path, query, body, _APPLY)

    def patch(self, path: str, steps: list[Object]) -> Object:
        """Change an object with a JSON patch; https://www.rfc-editor.org/rfc/rfc6902."""
        return self._json("PATCH", path, {}, steps, _JSON_PATCH)

    def put(self, path: str, body: Object, **query: str) -> Object:
        """Replace an object."""
        return self._json("PUT", path, query, body)

    def delete(self, path: str, body: Object) -> Object:
        """Delete an object; `body` holds the DeleteOptions."""
        return self._json("DELETE", path, {}, body)

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | list[Object] | None = None,
        kind: str = "",
    ) -> Object:
        return json.loads(self._request(method, path, query, body, kind))

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | list[Object] | None = None,
        kind: str = "",
    ) -> bytes:
        url = self._access.server + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json, */*", "User-Agent": "aegis", **self._authorization()}
        if body is not None:
            headers["Content-Type"] = kind or "application/json"
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._connections().request(method, url, body=data, headers=headers)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            message = f"{self._access.server}: {reason}"
            raise UnreachableError(message) from error
        if answer.status >= _FIRST_ERROR:
            raise ApiError(answer.status, _status(answer.data))
        for warning in answer.headers.getlist("Warning"):
            self._warn(warning.split(" ", 2)[-1].strip('"'))
        return answer.data

    def _connections(self) -> urllib3.PoolManager:
        with self._lock:
            self._refresh()
            if self._pool is None:
                self._pool = self._connect(self._access.certificate, self._access.key)
            return self._pool

    def _refresh(self) -> None:
        """Run the credential command again if its last credential is about to expire."""
        command = self._access.exec
        if command is None or (self._pool is not None and (self._expires is None or datetime.now(UTC) < self._expires)):
            return
        self._exec_token, certificate, key, expires = kubeconfig.run_exec(command)
        self._expires = datetime.fromisoformat(expires) - timedelta(minutes=1) if expires else None
        self._pool = self._connect(certificate, key)

    def _connect(self, certificate: bytes | None, key: bytes | None) -> urllib3.PoolManager:
        settings: dict[str, Any] = {}
        if self._access.server.startswith("https://"):
            settings["ssl_context"] = self._tls(certificate, key)
            if self._access.server_name:
                settings |= {"server_hostname": self._access.server_name, "assert_hostname": self._access.server_name}
        return urllib3.PoolManager(maxsize=_CONNECTIONS, timeout=_TIMEOUT, retries=_RETRIES, **settings)

    def _tls(self, certificate: bytes | None, key: bytes | None) -> ssl.SSLContext:
        authority = self._access.authority
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
        if not self._access.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate and key:
            # OpenSSL loads certificates and keys from files only.
            file = kubeconfig.as_file(certificate + b"\n" + key)
            try:
                context.load_cert_chain(file)
            finally:
                file.unlink()
        return context

    def _authorization(self) -> dict[str, str]:
        access = self._access
        if access.basic:
            return {"Authorization": "Basic " + b64encode(":".join(access.basic).encode()).decode()}
        # Kubernetes renews a mounted token in place, so read the file each time.
        token = access.token_file.read_text().strip() if access.token_file else access.token or self._exec_token
        return {"Authorization": f"Bearer {token}"} if token else {}


def _status(data: bytes) -> Object:
    try:
        status = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace").strip()}
    return status if isinstance(status, dict) else {"message": str(status)}
