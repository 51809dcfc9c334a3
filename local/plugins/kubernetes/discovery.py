"""The kinds that the API server serves. A group version is read once, and again if a kind is missing from it."""

import threading
from dataclasses import dataclass
from urllib.parse import quote

from local.plugins.kubernetes.client import ApiError, Client, Object
from local.plugins.provider import PluginError


class NoSuchKindError(PluginError):
    """The API server doesn't serve the kind, or doesn't yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of object: `api_version` is `v1` or `group/version`."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def collection(self, namespace: str | None) -> str:
        """Return the API path of all objects, or of those in a namespace."""
        root = "/apis/" if "/" in self.api_version else "/api/"
        place = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{root}{self.api_version}{place}/{self.plural}"

    def item(self, name: str, namespace: str | None) -> str:
        """Return the API path of one object."""
        return f"{self.collection(namespace)}/{quote(name)}"


class Discovery:
    """The kinds of one API server."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[str, Kind]] = {}

    def find(self, api_version: str, kind: str) -> Kind:
        """Return a kind.

        Raises:
            NoSuchKindError: the API server doesn't serve it.
        """
        with self._lock:
            match = self._kinds.get(api_version, {}).get(kind)
            if match is None:
                # A CustomResourceDefinition may have been created a moment ago.
                self._kinds[api_version] = self._read(api_version)
                match = self._kinds[api_version].get(kind)
        if match is None:
            message = f"the API server has no kind {kind} in {api_version}: is its CustomResourceDefinition installed?"
            raise NoSuchKindError(message)
        return match

    def _read(self, api_version: str) -> dict[str, Kind]:
        root = "/apis/" if "/" in api_version else "/api/"
        try:
            listed = self._client.get(root + api_version)
        except ApiError as error:
            if error.not_found:
                return {}
            raise
        return {entry["kind"]: _kind(api_version, entry) for entry in listed["resources"] if "/" not in entry["name"]}


def _kind(api_version: str, entry: Object) -> Kind:
    return Kind(api_version=api_version, kind=entry["kind"], plural=entry["name"], namespaced=entry["namespaced"])
