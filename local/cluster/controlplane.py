"""The control plane: etcd, the API server, the controllers and the scheduler."""

import json
from collections.abc import Mapping
from pathlib import Path

from local import paths
from local.cluster import kubeconfigs, pki
from local.cluster.layout import CLUSTER_DOMAIN, Layout
from local.cluster.part import Part, answers, flags

ETCD_CLIENT = "127.0.0.1:2379"
ETCD_PEER = "127.0.0.1:2380"
CONTROLLER_MANAGER = "127.0.0.1:10257"
SCHEDULER = "127.0.0.1:10259"
ISSUER = f"https://kubernetes.default.svc.{CLUSTER_DOMAIN}"


def parts(layout: Layout, tools: Mapping[str, Path]) -> tuple[Part, ...]:
    """Return the parts of the control plane."""
    return (
        _etcd(tools["etcd"]),
        _apiserver(layout, tools["kube-apiserver"]),
        _controller_manager(layout, tools["kube-controller-manager"]),
        _scheduler(layout, tools["kube-scheduler"]),
    )


def _etcd(program: Path) -> Part:
    certificate, key = pki.certificate("etcd"), pki.key("etcd")
    authority = pki.certificate(pki.ETCD_CA)
    return Part(
        name="etcd",
        argv=(
            str(program),
            *flags(
                name="aegis",
                data_dir=paths.home() / "etcd",
                listen_client_urls=f"https://{ETCD_CLIENT}",
                advertise_client_urls=f"https://{ETCD_CLIENT}",
                listen_peer_urls=f"https://{ETCD_PEER}",
                initial_advertise_peer_urls=f"https://{ETCD_PEER}",
                initial_cluster=f"aegis=https://{ETCD_PEER}",
                cert_file=certificate,
                key_file=key,
                trusted_ca_file=authority,
                client_cert_auth=True,
                peer_cert_file=certificate,
                peer_key_file=key,
                peer_trusted_ca_file=authority,
                peer_client_cert_auth=True,
                log_level="warn",
            ),
        ),
        reads=(certificate, authority),
        listens=(ETCD_CLIENT, ETCD_PEER),
        ready=answers(f"https://{ETCD_CLIENT}/health", certificate="apiserver-etcd-client", authority=pki.ETCD_CA),
    )


def _apiserver(layout: Layout, program: Path) -> Part:
    encryption = paths.config() / "encryption.json"
    return Part(
        name="kube-apiserver",
        argv=(
            str(program),
            *flags(
                bind_address=layout.node_ip,
                advertise_address=layout.node_ip,
                secure_port=6443,
                service_cluster_ip_range=layout.services,
                tls_cert_file=pki.certificate("apiserver"),
                tls_private_key_file=pki.key("apiserver"),
                etcd_servers=f"https://{ETCD_CLIENT}",
                etcd_cafile=pki.certificate(pki.ETCD_CA),
                etcd_certfile=pki.certificate("apiserver-etcd-client"),
                etcd_keyfile=pki.key("apiserver-etcd-client"),
                encryption_provider_config=encryption,
                profiling=False,
            ),
            *_identity(),
            *_toward_kubelet(),
        ),
        files=lambda: {encryption: _encryption()},
        reads=tuple(pki.certificate(name) for name in ("apiserver", pki.CLUSTER_CA, "apiserver-kubelet-client")),
        after=("etcd",),
        listens=(f"{layout.node_ip}:6443",),
        ready=answers(f"{layout.api_url}/readyz", certificate="admin"),
    )


def _identity() -> tuple[str, ...]:
    """Return the flags for authentication and authorisation: certificates, service-account tokens, RBAC."""
    return flags(
        anonymous_auth=False,
        client_ca_file=pki.certificate(pki.CLUSTER_CA),
        authorization_mode="Node,RBAC",
        enable_admission_plugins="NodeRestriction",
        service_account_issuer=ISSUER,
        service_account_key_file=pki.public_key(pki.SERVICE_ACCOUNT_KEY),
        service_account_signing_key_file=pki.key(pki.SERVICE_ACCOUNT_KEY),
        requestheader_client_ca_file=pki.certificate(pki.FRONT_PROXY_CA),
        requestheader_allowed_names="front-proxy-client",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        requestheader_group_headers="X-Remote-Group",
        requestheader_username_headers="X-Remote-User",
        proxy_client_cert_file=pki.certificate("front-proxy-client"),
        proxy_client_key_file=pki.key("front-proxy-client"),
    )


def _toward_kubelet() -> tuple[str, ...]:
    """Return the flags for calls to the kubelet, by address because the node's name can't be resolved."""
    return flags(
        kubelet_preferred_address_types="InternalIP",
        kubelet_certificate_authority=pki.certificate(pki.CLUSTER_CA),
        kubelet_client_certificate=pki.certificate("apiserver-kubelet-client"),
        kubelet_client_key=pki.key("apiserver-kubelet-client"),
    )


def _encryption() -> str:
    """Return the configuration that encrypts Secrets at rest; Secrets stored before it stay readable."""
    key = {"name": "key1", "secret": pki.encryption_key().read_text()}
    return json.dumps(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [{"resources": ["secrets"], "providers": [{"secretbox": {"keys": [key]}}, {"identity": {}}]}],
        }
    )


def _controller_manager(layout: Layout, program: Path) -> Part:
    kubeconfig = kubeconfigs.path("controller-manager")
    return Part(
        name="kube-controller-manager",
        argv=(
            str(program),
            *flags(
                kubeconfig=kubeconfig,
                authentication_kubeconfig=kubeconfig,
                authorization_kubeconfig=kubeconfig,
                use_service_account_credentials=True,
                service_account_private_key_file=pki.key(pki.SERVICE_ACCOUNT_KEY),
                root_ca_file=pki.certificate(pki.CLUSTER_CA),
                cluster_signing_cert_file=pki.certificate(pki.CLUSTER_CA),
                cluster_signing_key_file=pki.key(pki.CLUSTER_CA),
                service_cluster_ip_range=layout.services,
                profiling=False,
            ),
            *_serving("controller-manager", CONTROLLER_MANAGER),
        ),
        files=lambda: {kubeconfig: kubeconfigs.text(layout, "controller-manager")},
        after=("kube-apiserver",),
        listens=(CONTROLLER_MANAGER,),
        ready=answers(f"https://{CONTROLLER_MANAGER}/healthz"),
    )


def _scheduler(layout: Layout, program: Path) -> Part:
    kubeconfig = kubeconfigs.path("scheduler")
    return Part(
        name="kube-scheduler",
        argv=(
            str(program),
            *flags(
                kubeconfig=kubeconfig,
                authentication_kubeconfig=kubeconfig,
                authorization_kubeconfig=kubeconfig,
                profiling=False,
            ),
            *_serving("scheduler", SCHEDULER),
        ),
        files=lambda: {kubeconfig: kubeconfigs.text(layout, "scheduler")},
        after=("kube-apiserver",),
        listens=(SCHEDULER,),
        ready=answers(f"https://{SCHEDULER}/healthz"),
    )


def _serving(certificate: str, address: str) -> tuple[str, ...]:
    """Return the flags of a controller that serves on loopback; it is the only one, so it needs no leader election."""
    host, port = address.split(":")
    return flags(
        bind_address=host,
        secure_port=port,
        tls_cert_file=pki.certificate(certificate),
        tls_private_key_file=pki.key(certificate),
        leader_elect=False,
    )
