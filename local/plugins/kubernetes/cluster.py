"""The cluster of a provider resource: its client, the kinds it serves, and whether it is reachable."""

import functools
import threading
from typing import Final

from local.plugins.kubernetes.client import Client, UnreachableError
from local.plugins.kubernetes.discovery import Discovery, Kind, NoSuchKindError
from local.plugins.kubernetes.settings import Settings
from local.plugins.provider import Host

# The built-in cluster-scoped kinds, for previews without a cluster.
_CLUSTER_SCOPED: Final = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "FlowSchema",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
    }
)


class Cluster:
    """The API server that the provider's inputs name."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings = settings
        self._host = host
        self._checking = threading.Lock()
        self.client = Client(settings.access, self._warn)
        self._discovery = Discovery(self.client)

    @property
    def unreachable(self) -> str:
        """The reason why the API server is unreachable, or "". It is checked only once."""
        with self._checking:
            return self._connection_error

    @functools.cached_property
    def _connection_error(self) -> str:
        try:
            self.client.get("/version")
        except UnreachableError as error:
            return f"the Kubernetes cluster is unreachable: {error}"
        return ""

    def kind(self, api_version: str, kind: str) -> Kind:
        """Return a kind that the API server serves.

        Raises:
            NoSuchKindError: the API server doesn't serve the kind.
            UnreachableError: the API server doesn't answer.
        """
        return self._discovery.find(api_version, kind)

    def serves(self, api_version: str, kind: str) -> bool:
        """Return whether the API server is reachable and serves a kind."""
        try:
            return not self.unreachable and bool(self.kind(api_version, kind))
        except NoSuchKindError:
            return False

    def namespaced(self, api_version: str, kind: str) -> bool:
        """Return whether a kind is namespaced. An unknown kind is assumed to be."""
        if kind in _CLUSTER_SCOPED:
            return False
        return not self.serves(api_version, kind) or self.kind(api_version, kind).namespaced

    @property
    def default_namespace(self) -> str:
        """The namespace of objects for which the program doesn't set one."""
        return self.settings.namespace or self.settings.access.namespace

    def _warn(self, message: str) -> None:
        if not (self.settings.suppress_deprecation_warnings and "deprecated" in message):
            self._host.warn(message)
