"""The certificate authorities of RDS that come with the program."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from infra.aws.database_authorities import authorities, regions

KINDS = ("RSA2048", "RSA4096", "ECC384")


def certificates(region: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(authorities(region).encode())


@pytest.mark.parametrize("region", regions())
def test_a_region_has_its_three_roots_and_no_other_regions(region: str) -> None:
    subjects = [each.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value for each in certificates(region)]
    assert sorted(subjects) == sorted(f"Amazon RDS {region} Root CA {kind} G1" for kind in KINDS)


@pytest.mark.parametrize("region", regions())
def test_each_root_signed_itself_and_may_sign_others(region: str) -> None:
    for each in certificates(region):
        each.verify_directly_issued_by(each)
        assert each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize("region", regions())
def test_each_root_is_valid_today_and_for_decades(region: str) -> None:
    for each in certificates(region):
        assert each.not_valid_before_utc < datetime.now(UTC)
        assert each.not_valid_after_utc > datetime(2060, 1, 1, tzinfo=UTC)


def test_no_root_is_in_two_files() -> None:
    fingerprints = [each.fingerprint(hashes.SHA256()) for region in regions() for each in certificates(region)]
    assert len(set(fingerprints)) == len(fingerprints) == 3 * len(regions())


def test_the_most_used_regions_have_authorities() -> None:
    assert {"us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2"} <= set(regions())


@pytest.mark.parametrize("region", ["mars-north-1", "", "../authorities/eu-west-1"])
def test_an_unknown_region_is_refused_with_the_known_regions(region: str) -> None:
    with pytest.raises(
        ValueError, match=r"region must be one of af-south-1, .*us-west-2.*, got .*authorities/REGION\.pem"
    ):
        authorities(region)
