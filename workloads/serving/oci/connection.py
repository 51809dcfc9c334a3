"""Requests to one registry: logged in where it asks for it, and without credentials wherever it sends us."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

import httpx

from contracts import Exit
from workloads import retry
from workloads.cli import WorkloadError
from workloads.serving.oci import answers
from workloads.serving.oci.login import Login

T = TypeVar("T")

Content = Callable[[], Iterable[bytes]]

# Seconds. A registry in front of an object store takes minutes to complete an upload of gigabytes.
TIMEOUT: Final = httpx.Timeout(60, connect=10)
_LONG_TIMEOUT: Final = httpx.Timeout(900, connect=10)
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_UNAUTHORIZED: Final = 401
# The name by which images call Docker Hub, and where its API is.
_API_HOSTS: Final = {"docker.io": "registry-1.docker.io"}


class Connection:
    """A registry, reached through `client`; `plain_http` leaves out TLS, and so the proof of who answers."""

    def __init__(self, host: str, scopes: Sequence[str], client: httpx.Client, *, plain_http: bool) -> None:
        self.host = host
        self._client = client
        self._schemes = ("https", "http") if plain_http else ("https",)
        self._root = httpx.URL(f"{'http' if plain_http else 'https'}://{_API_HOSTS.get(host, host)}")
        self._login = Login(host=host, scopes=scopes, client=client, plain_http=plain_http)
        self._authorization: str | None = None

    def url(self, path: str) -> httpx.URL:
        """Return the address of `path` under /v2/."""
        return self._root.join(f"/v2/{path}")

    def next_url(self, url: httpx.URL, location: str | None) -> httpx.URL:
        """Return the address that an answer from `url` names.

        Raises:
            WorkloadError: It names none, or one without TLS.
        """
        try:
            found = url.join(location or "")
        except httpx.InvalidURL:
            found = httpx.URL()
        if not location or found.scheme not in self._schemes or not found.host:
            raise WorkloadError(
                f"The registry {self.host} refers to the address {location!r}, which must be one with "
                f"{' or '.join(self._schemes)}.",
                Exit.NOT_VERIFIED,
            )
        return found

    def retried(self, action: Callable[[], T]) -> T:
        """Return the result of `action`, which sends requests, retried on transient failures.

        Raises:
            WorkloadError: The registry refuses, or doesn't answer.
        """
        service = f"The registry {self.host}"
        try:
            return retry.call(action, service=service, code=Exit.OBJECT_STORE, transient=answers.TRANSIENT)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise WorkloadError(
                f"{service} can't be used: {error or type(error).__name__}", Exit.OBJECT_STORE
            ) from error

    @contextmanager
    def answer(
        self,
        method: str,
        url: httpx.URL,
        *,
        accepted: Sequence[int],
        headers: Mapping[str, str] | None = None,
        content: Content | None = None,
        is_long: bool = False,
    ) -> Iterator[httpx.Response]:
        """Send a request, and give its answer, whose body is not read yet; `accepted` are the expected statuses.

        Raises:
            UnavailableError: The failure is transient; so are some of httpx's own errors, see `answers.TRANSIENT`.
            WorkloadError: The registry refuses.
        """

        def send() -> httpx.Response:
            return self._followed(method, url, headers or {}, content, _LONG_TIMEOUT if is_long else TIMEOUT)

        response = send()
        if response.status_code == _UNAUTHORIZED and self._log_in(response):
            response.close()
            response = send()
        try:
            if response.status_code not in accepted:
                raise answers.failure(response)
            yield response
        finally:
            response.close()

    def _log_in(self, response: httpx.Response) -> bool:
        challenges = response.headers.get_list("www-authenticate")
        self._authorization = self._login.header(challenges)
        return self._authorization is not None

    def _followed(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], content: Content | None, timeout: httpx.Timeout
    ) -> httpx.Response:
        for _ in range(_MOST_REDIRECTS):
            request = self._client.build_request(
                method,
                url,
                headers={"Accept-Encoding": "identity", **headers, **self._credentials(url)},
                content=content() if content else None,
                timeout=timeout,
            )
            response = self._client.send(request, stream=True)
            if method not in ("GET", "HEAD") or response.status_code not in _REDIRECTS:
                return response
            response.close()
            url = self.next_url(url, response.headers.get("location"))
        raise WorkloadError(f"The registry {self.host} redirects more than {_MOST_REDIRECTS} times.", Exit.OBJECT_STORE)

    def _credentials(self, url: httpx.URL) -> dict[str, str]:
        is_registry = (url.scheme, url.host, url.port) == (self._root.scheme, self._root.host, self._root.port)
        return {"Authorization": self._authorization} if is_registry and self._authorization else {}
