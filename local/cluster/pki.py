"""The certificates and keys of the cluster: three certificate authorities, and one certificate for each part.

etcd and the aggregation layer have separate authorities, so that a client certificate of the cluster gives access
neither to etcd nor to the header-based identity of aggregated API servers.
"""

import base64
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local import paths
from local.cluster.layout import CLUSTER_DOMAIN, NODE_NAME, Layout
from local.errors import LocalError
from local.processes import write_whole

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=365)
# The next `make up` renews a certificate with less time left than this.
RENEW_BEFORE = timedelta(days=60)

CLUSTER_CA = "ca"
ETCD_CA = "etcd-ca"
FRONT_PROXY_CA = "front-proxy-ca"
SERVICE_ACCOUNT_KEY = "service-account"
# Every API server's bootstrap policy binds this group to cluster-admin.
ADMIN_GROUP = "system:masters"

PrivateKey = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """A certificate to issue; `hosts` allows its use by a server, `client` by a client."""

    name: str
    common_name: str
    authority: str = CLUSTER_CA
    group: str | None = None
    hosts: tuple[str, ...] = ()
    client: bool = True


def leaves(layout: Layout) -> tuple[Leaf, ...]:
    """Return every certificate of the cluster, with the common names and groups of RBAC's default bindings."""
    kubernetes = [
        f"kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", f".default.svc.{CLUSTER_DOMAIN}")
    ]
    metrics = [f"metrics-server.kube-system.svc{suffix}" for suffix in ("", f".{CLUSTER_DOMAIN}")]
    loopback = ("localhost", "127.0.0.1")
    return (
        Leaf(name="etcd", common_name="etcd", authority=ETCD_CA, hosts=loopback),
        Leaf(name="apiserver-etcd-client", common_name="kube-apiserver", authority=ETCD_CA),
        Leaf(
            name="apiserver",
            common_name="kube-apiserver",
            hosts=(*kubernetes, *loopback, layout.api_service_ip, layout.node_ip),
            client=False,
        ),
        Leaf(name="apiserver-kubelet-client", common_name="kube-apiserver", group=ADMIN_GROUP),
        Leaf(name="front-proxy-client", common_name="front-proxy-client", authority=FRONT_PROXY_CA),
        Leaf(name="controller-manager", common_name="system:kube-controller-manager", hosts=loopback),
        Leaf(name="scheduler", common_name="system:kube-scheduler", hosts=loopback),
        Leaf(
            name="kubelet",
            common_name=f"system:node:{NODE_NAME}",
            group="system:nodes",
            hosts=(NODE_NAME, layout.node_ip),
        ),
        Leaf(name="kube-proxy", common_name="system:kube-proxy"),
        Leaf(name="kube-router", common_name="aegis:kube-router"),
        Leaf(name="local-path-provisioner", common_name="aegis:local-path-provisioner"),
        Leaf(name="metrics-server", common_name="metrics-server", hosts=tuple(metrics), client=False),
        Leaf(name="admin", common_name="admin", group=ADMIN_GROUP),
    )


def certificate(name: str) -> Path:
    """Return the file of a certificate."""
    return paths.pki() / f"{name}.crt"


def key(name: str) -> Path:
    """Return the file of a private key."""
    return paths.pki() / f"{name}.key"


def public_key(name: str) -> Path:
    """Return the file of a public key without a certificate."""
    return paths.pki() / f"{name}.pub"


def encryption_key() -> Path:
    """Return the file of the key that encrypts Secrets at rest, 32 bytes in base64."""
    return paths.pki() / "secrets-encryption.key"


def ensure(layout: Layout) -> None:
    """Create missing keys and certificates, and renew those that expire soon or have other contents than required."""
    paths.pki().mkdir(parents=True, exist_ok=True)
    paths.pki().chmod(0o700)
    ensure_leaves(leaves(layout), authorities=(CLUSTER_CA, ETCD_CA, FRONT_PROXY_CA))
    if not public_key(SERVICE_ACCOUNT_KEY).exists():
        _make_service_account_key()
    if not encryption_key().exists():
        write_whole(encryption_key(), base64.b64encode(os.urandom(32)).decode(), 0o600)


def ensure_leaves(required: Iterable[Leaf], *, authorities: Iterable[str]) -> None:
    """Create the missing authorities, and issue each certificate that is missing or not current."""
    for name in authorities:
        if not certificate(name).exists():
            _make_authority(name)
    now = datetime.now(UTC)
    for leaf in required:
        if not _is_current(leaf, now):
            _issue(leaf, now)


def _make_authority(name: str) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"aegis {name}")])
    usage = _usage(signs_certificates=True)
    certified = (
        _builder(subject, subject, private, datetime.now(UTC), AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    _write(name, private, certified)


def _issue(leaf: Leaf, now: datetime) -> None:
    authority = x509.load_pem_x509_certificate(certificate(leaf.authority).read_bytes())
    authority_key = serialization.load_pem_private_key(key(leaf.authority).read_bytes(), None)
    if not isinstance(authority_key, PrivateKey):
        raise LocalError(f"{key(leaf.authority)} is not a key of this platform: run `make clean`.")
    private = ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH] if leaf.hosts else []
    if leaf.client:
        purposes.append(ExtendedKeyUsageOID.CLIENT_AUTH)
    builder = (
        _builder(_subject(leaf), authority.subject, private, now, LEAF_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if leaf.hosts:
        builder = builder.add_extension(_alternative_names(leaf), critical=False)
    _write(leaf.name, private, builder.sign(authority_key, hashes.SHA256()))


def _is_current(leaf: Leaf, now: datetime) -> bool:
    if not certificate(leaf.name).exists() or not key(leaf.name).exists():
        return False
    held = x509.load_pem_x509_certificate(certificate(leaf.name).read_bytes())
    authority = x509.load_pem_x509_certificate(certificate(leaf.authority).read_bytes())
    try:
        held.verify_directly_issued_by(authority)
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value if leaf.hosts else None
    except (ValueError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        held.not_valid_after_utc - now > RENEW_BEFORE
        and held.subject == _subject(leaf)
        and (names is None or names == _alternative_names(leaf))
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, private: PrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
    )


def _subject(leaf: Leaf) -> x509.Name:
    group = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf.group)] if leaf.group else []
    return x509.Name([*group, x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)])


def _alternative_names(leaf: Leaf) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative_name(host) for host in leaf.hosts])


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _make_service_account_key() -> None:
    """Create the key that signs service-account tokens: RSA, because every reader of a key set supports RS256."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_whole(key(SERVICE_ACCOUNT_KEY), _private_pem(private), 0o600)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_whole(public_key(SERVICE_ACCOUNT_KEY), public.decode())


def _write(name: str, private: PrivateKey, certified: x509.Certificate) -> None:
    write_whole(key(name), _private_pem(private), 0o600)
    write_whole(certificate(name), certified.public_bytes(serialization.Encoding.PEM).decode())


def _private_pem(private: PrivateKey | rsa.RSAPrivateKey) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
