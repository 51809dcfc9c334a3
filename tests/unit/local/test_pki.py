"""Every part has a certificate, which is kept while it is valid and replaced before it expires."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.cluster import pki
from local.cluster.layout import Layout, Network

LAYOUT = Layout(block=Network("10.213.0.0/16"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    return tmp_path


def read(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pki.certificate(name).read_bytes())


def test_each_certificate_comes_from_its_authority() -> None:
    pki.ensure(LAYOUT)
    for leaf in pki.leaves(LAYOUT):
        read(leaf.name).verify_directly_issued_by(read(leaf.authority))


def test_a_client_certificate_of_the_cluster_gives_no_access_to_etcd() -> None:
    pki.ensure(LAYOUT)
    with pytest.raises(ValueError, match=r"[Ii]ssuer"):
        read("admin").verify_directly_issued_by(read(pki.ETCD_CA))


def test_the_kubelets_identity_is_the_one_that_the_node_authorizer_expects() -> None:
    pki.ensure(LAYOUT)
    subject = read("kubelet").subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:aegis"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"


def test_the_api_server_answers_under_its_service_and_its_node() -> None:
    pki.ensure(LAYOUT)
    names = read("apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc.cluster.local" in names.get_values_for_type(x509.DNSName)
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert {LAYOUT.api_service_ip, LAYOUT.node_ip, "127.0.0.1"} == addresses


def test_a_server_only_certificate_is_not_valid_for_clients() -> None:
    pki.ensure(LAYOUT)
    usage = read("metrics-server").extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_valid_certificate_is_kept() -> None:
    pki.ensure(LAYOUT)
    before = {path.name: path.read_bytes() for path in pki.certificate("ca").parent.iterdir()}
    pki.ensure(LAYOUT)
    assert {path.name: path.read_bytes() for path in pki.certificate("ca").parent.iterdir()} == before


def test_an_old_certificate_is_replaced_and_its_authority_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as short:
        short.setattr(pki, "LEAF_LIFE", pki.RENEW_BEFORE - timedelta(days=1))
        pki.ensure(LAYOUT)
    authority = read("ca")
    pki.ensure(LAYOUT)
    assert read("admin").not_valid_after_utc - datetime.now(UTC) > pki.RENEW_BEFORE
    assert read("ca") == authority


def test_a_changed_address_causes_a_new_certificate() -> None:
    pki.ensure(LAYOUT)
    client, server = read("admin"), read("apiserver")
    pki.ensure(Layout(block=Network("10.187.0.0/16")))
    assert read("apiserver") != server
    assert read("admin") == client


def test_a_missing_key_causes_a_new_pair() -> None:
    pki.ensure(LAYOUT)
    pki.key("scheduler").unlink()
    pki.ensure(LAYOUT)
    assert pki.key("scheduler").exists()


def test_only_the_owner_can_read_keys() -> None:
    pki.ensure(LAYOUT)
    keys = list(pki.certificate("ca").parent.glob("*.key"))
    assert keys
    assert {oct(path.stat().st_mode & 0o777) for path in keys} == {"0o600"}
