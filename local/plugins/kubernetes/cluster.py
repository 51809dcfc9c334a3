"""The cluster of a provider resource: its client, what it serves, and whether it answers at all."""

import functools
import threading
from typing import Final

from local.plugins.kubernetes.client import Client, UnreachableError
from local.plugins.kubernetes.discovery import Discovery, Kind, NoSuchKindError
from local.plugins.kubernetes.settings import Settings
from local.plugins.provider import Host

# The cluster-wide kinds of Kubernetes itself, so that a preview without a cluster knows them.
_CLUSTER_WIDE: Final = frozenset(
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
    """One API server, as the provider's inputs name it."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings = settings
        self._host = host
        self._asking = threading.Lock()
        self.client = Client(settings.access, self._warn)
        self._discovery = Discovery(self.client)

    @property
    def unreachable(self) -> str:
        """Why the API server doesn't answer, or nothing when it does; it's asked once."""
        with self._asking:
            return self._silence

    @functools.cached_property
    def _silence(self) -> str:
        try:
            self.client.get("/version")
        except UnreachableError as error:
            return f"the Kubernetes cluster is unreachable: {error}"
        return ""

    def kind(self, api_version: str, kind: str) -> Kind:
        """Return a kind as the server serves it.

        Raises:
            NoSuchKindError: it doesn't serve it.
            UnreachableError: it doesn't answer.
        """
        return self._discovery.find(api_version, kind)

    def serves(self, api_version: str, kind: str) -> bool:
        """Whether the server answers and serves a kind."""
        try:
            return not self.unreachable and bool(self.kind(api_version, kind))
        except NoSuchKindError:
            return False

    def namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of a kind lie in namespaces; of an unknown kind, most do."""
        if kind in _CLUSTER_WIDE:
            return False
        return not self.serves(api_version, kind) or self.kind(api_version, kind).namespaced

    @property
    def default_namespace(self) -> str:
        """Where objects go whose program names no namespace."""
        return self.settings.namespace or self.settings.access.namespace

    def _warn(self, message: str) -> None:
        if not (self.settings.suppress_deprecation_warnings and "deprecated" in message):
            self._host.warn(message)
