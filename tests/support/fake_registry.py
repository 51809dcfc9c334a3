"""An image registry in memory, behind httpx's transport: checks digests, keeps upload sessions, and asks for a login.

It follows the distribution specification where a client could get it wrong, and misbehaves where a client must notice.
"""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

import httpx

HOST = "registry.test"
STORAGE = "storage.test"
TOKENS = "auth.test"
USER, PASSWORD, TOKEN, IDENTITY = "robot", "only for tests", "token-of-the-tests", "identity-of-the-tests"


@dataclass(kw_only=True)
class FakeRegistry(httpx.BaseTransport):
    """The registry `HOST`; `STORAGE` stores its blobs if `redirects`, and `TOKENS` gives its tokens."""

    auth: Literal["none", "basic", "bearer"] = "none"
    mounts: bool = True
    redirects: bool = False
    storage: str = f"https://{STORAGE}"
    realm: str = f"https://{TOKENS}/token"
    # How many answers a token gets, and the scopes that were asked for.
    token_lasts: int = 1000
    scopes: set[str] = field(default_factory=set)
    # The numbers of bytes after which the next uploads break off.
    breaks: list[int] = field(default_factory=list)
    forgets_broken: bool = False
    on_upload: Callable[[], object] = bytes
    # The statuses of the next answers.
    failures: list[int] = field(default_factory=list)
    # What the registry answers in place of stored content.
    tampered: Callable[[bytes], bytes] = bytes
    # The digest that the registry says it stored, in place of that of the manifest.
    misreports: str = ""
    keeps_layers: bool = True
    blobs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    received: int = 0
    _uploads: dict[str, "_Session"] = field(default_factory=dict)
    _answers_left: int = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request to one of the three hosts."""
        self.requests.append(request)
        if self.failures:
            return _error(self.failures.pop(0), "UNKNOWN", "the registry has a bad day")
        match request.url.host:
            case "registry.test":
                return self._registry(request)
            case "auth.test":
                return self._token(request)
            case "storage.test":
                return self._blob(*request.url.path.strip("/").rsplit("/", 1))
            case _:
                raise httpx.ConnectError("no such host", request=request)

    def client(self) -> httpx.Client:
        """Return a client of this registry."""
        return httpx.Client(transport=self)

    def calls(self, method: str, path: str = "") -> list[httpx.Request]:
        """Return the requests with this method whose path contains `path`."""
        return [each for each in self.requests if each.method == method and path in each.url.path]

    def put(self, repository: str, media_type: str, value: dict[str, Any] | bytes) -> str:
        """Store a manifest or an index, and return its digest."""
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.manifests.setdefault(repository, {})[digest(content)] = (media_type, content)
        return digest(content)

    def put_blob(self, repository: str, content: bytes) -> str:
        """Store a blob, and return its digest."""
        self.blobs.setdefault(repository, {})[digest(content)] = content
        return digest(content)

    def _registry(self, request: httpx.Request) -> httpx.Response:
        if challenge := self._challenge(request):
            return _error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})
        found = re.fullmatch(r"/v2/(.+?)/(blobs/uploads/|blobs/|manifests/)(.*)", request.url.path)
        if not found:
            return _error(404, "UNSUPPORTED", "no such path")
        repository, kind, name = found.groups()
        if kind == "manifests/":
            is_read = request.method in ("GET", "HEAD")
            return self._find_manifest(repository, name) if is_read else self._put_manifest(request, repository)
        if kind == "blobs/":
            return self._find_blob(request, repository, name)
        return self._go_on(request, repository, name) if name else self._begin(request, repository)

    def _challenge(self, request: httpx.Request) -> str:
        given = request.headers.get("authorization", "")
        match self.auth:
            case "basic" if given != _basic():
                return 'Basic realm="registry"'
            case "bearer" if given != f"Bearer {TOKEN}" or self._answers_left <= 0:
                return f'Bearer realm="{self.realm}",service="{HOST}",scope="repository:some:pull"'
        self._answers_left -= 1
        return ""

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = dict(parse_qsl(b"".join(_stream(request)).decode()))
        self.scopes = {*request.url.params.get_list("scope"), *form.get("scope", "").split()}
        if request.headers.get("authorization") == _basic() or form.get("refresh_token") == IDENTITY:
            self._answers_left = self.token_lasts
            return _answer(200, json.dumps({"access_token": TOKEN}).encode())
        return _answer(401, b'{"details": "incorrect username or password"}')

    def _begin(self, request: httpx.Request, repository: str) -> httpx.Response:
        query = request.url.params
        if "mount" in query and self.mounts and query["mount"] in self.blobs.get(query["from"], {}):
            self.put_blob(repository, self.blobs[query["from"]][query["mount"]])
            return httpx.Response(201, headers={"Location": f"/v2/{repository}/blobs/{query['mount']}"})
        self.on_upload()
        name = f"session-{len(self.requests)}"
        self._uploads[name] = _Session(keeps=self.keeps_layers)
        return httpx.Response(202, headers={"Location": _location(repository, name), "Range": "0-0"})

    def _go_on(self, request: httpx.Request, repository: str, name: str) -> httpx.Response:
        session = self._uploads.get(name)
        if session is None or request.url.params.get("state") != "some":
            return _error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        headers = {"Location": _location(repository, name), "Range": f"0-{max(session.size - 1, 0)}"}
        if request.method == "GET":
            return httpx.Response(204, headers=headers)
        if request.method == "PUT":
            return self._complete(request.url.params["digest"], repository, name)
        start = int(request.headers.get("content-range", "0-").partition("-")[0])
        if start != session.size:
            return httpx.Response(416, headers=headers)
        self._receive(request, session)
        return httpx.Response(202, headers=headers)

    def _receive(self, request: httpx.Request, session: "_Session") -> None:
        left = self.breaks.pop(0) if self.breaks else None
        for block in _stream(request):
            session.add(block if left is None else block[:left])
            self.received += len(block)
            if left is not None and (left := left - len(block)) <= 0:
                if self.forgets_broken:
                    self._uploads.clear()
                raise httpx.WriteError("the connection is broken", request=request)

    def _complete(self, expected: str, repository: str, name: str) -> httpx.Response:
        session = self._uploads.pop(name)
        if session.digest != expected:
            return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.blobs.setdefault(repository, {})[expected] = bytes(session.content)
        return httpx.Response(201, headers={"Docker-Content-Digest": expected})

    def _find_blob(self, request: httpx.Request, repository: str, name: str) -> httpx.Response:
        if self.redirects and request.method == "GET":
            return httpx.Response(307, headers={"Location": f"{self.storage}/{repository}/{name}?signature=secret"})
        return self._blob(repository, name)

    def _blob(self, repository: str, name: str) -> httpx.Response:
        content = self.blobs.get(repository, {}).get(name)
        return _error(404, "BLOB_UNKNOWN", "blob unknown") if content is None else self._stored(content)

    def _find_manifest(self, repository: str, name: str) -> httpx.Response:
        found = self.manifests.get(repository, {}).get(name)
        if found is None:
            return _error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        return self._stored(found[1], found[0])

    def _stored(self, content: bytes, media_type: str = "application/octet-stream") -> httpx.Response:
        return _answer(200, self.tampered(content), {"Content-Type": media_type})

    def _put_manifest(self, request: httpx.Request, repository: str) -> httpx.Response:
        content = b"".join(_stream(request))
        value = json.loads(content)
        named = {each["digest"] for each in [value["config"], *value["layers"]]}
        if missing := named - self.blobs.get(repository, {}).keys():
            return _error(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {min(missing)}")
        stored = self.put(repository, request.headers["content-type"], content)
        return httpx.Response(201, headers={"Docker-Content-Digest": self.misreports or stored})


class _Session:
    """An upload: its content, unless only the digest is wanted."""

    def __init__(self, *, keeps: bool) -> None:
        self.content = bytearray()
        self.size = 0
        self._keeps = keeps
        self._sha256 = hashlib.sha256()

    def add(self, block: bytes) -> None:
        self.size += len(block)
        self._sha256.update(block)
        if self._keeps:
            self.content += block

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"


def digest(content: bytes) -> str:
    """Return the digest of `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _stream(request: httpx.Request) -> Iterator[bytes]:
    assert isinstance(request.stream, httpx.SyncByteStream)
    yield from request.stream


def _location(repository: str, name: str) -> str:
    # Relative, and with a query that the client must keep.
    return f"/v2/{repository}/blobs/uploads/{name}?state=some"


def _basic() -> str:
    return f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return _answer(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), headers)


def _answer(status: int, content: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    # An iterator, because httpx reads bytes at once, which a client of a real server has to do itself.
    return httpx.Response(status, content=iter([content]), headers=headers)
