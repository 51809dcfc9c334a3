"""Verification refuses every signature file that `model_signing verify` refuses; that accepts what signing writes."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import model_signing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis.errors import NotVerifiedError
from tests.support import fuzz
from tests.support.local_signer import LocalSigner
from workloads.signing import packing
from workloads.signing.layout import Layout
from workloads.signing.verification import verify

_MODEL_SIGNATURE = [
    ("mediaType",),
    ("verificationMaterial",),
    ("verificationMaterial", "publicKey"),
    ("verificationMaterial", "publicKey", "hint"),
    ("verificationMaterial", "tlogEntries"),
    ("dsseEnvelope",),
    ("dsseEnvelope", "payload"),
    ("dsseEnvelope", "payloadType"),
    ("dsseEnvelope", "signatures"),
    ("dsseEnvelope", "signatures", 0),
    ("dsseEnvelope", "signatures", 0, "sig"),
    ("dsseEnvelope", "signatures", 0, "keyid"),
]
_BUNDLE = [
    ("mediaType",),
    ("verificationMaterial",),
    ("verificationMaterial", "publicKey", "hint"),
    ("messageSignature", "messageDigest", "algorithm"),
    ("messageSignature", "messageDigest", "digest"),
    ("messageSignature", "signature"),
]


def accepted_here(layout: Layout, signer: LocalSigner) -> bool:
    try:
        verify(layout.archive, [signer.public_key()])
    except NotVerifiedError:
        return False
    return True


def accepted_by_the_package(layout: Layout, directory: Path, signer: LocalSigner) -> bool:
    key = layout.archive.with_name("package.pub")
    key.write_bytes(signer.public_key().pem)
    try:
        config = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=key)
        config.verify(directory, layout.model_signature)
    except Exception:  # noqa: BLE001 - any error of the package is a refusal
        return False
    return True


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(_MODEL_SIGNATURE),
    value=st.one_of(st.just(fuzz.LEFT_OUT), fuzz.json_values),
)
def test_what_the_package_refuses_is_refused(
    signed: Layout, model_dir: Path, signer: LocalSigner, path: tuple[str | int, ...], value: object
) -> None:
    good = signed.model_signature.read_bytes()
    signed.model_signature.write_text(json.dumps(fuzz.replaced(json.loads(good), path, value)))
    try:
        here = accepted_here(signed, signer)
        assert not here or accepted_by_the_package(signed, model_dir, signer)
    finally:
        signed.model_signature.write_bytes(good)


def test_the_package_accepts_what_was_signed_here(signed: Layout, model_dir: Path, signer: LocalSigner) -> None:
    assert accepted_here(signed, signer)
    assert accepted_by_the_package(signed, model_dir, signer)


@pytest.mark.parametrize("path", _MODEL_SIGNATURE)
@pytest.mark.parametrize("value", [fuzz.LEFT_OUT, "other"])
def test_no_field_of_a_model_signature_may_be_missing_or_another(
    signed: Layout, signer: LocalSigner, path: tuple[str | int, ...], value: object
) -> None:
    content = fuzz.replaced(json.loads(signed.model_signature.read_bytes()), path, value)
    signed.model_signature.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    assert not accepted_here(signed, signer)


@pytest.mark.parametrize("path", _BUNDLE)
@pytest.mark.parametrize("value", [fuzz.LEFT_OUT, "other"])
def test_no_field_of_a_bundle_may_be_missing_or_another(
    signed: Layout, signer: LocalSigner, path: tuple[str | int, ...], value: object
) -> None:
    content = fuzz.replaced(json.loads(signed.bundle.read_bytes()), path, value)
    signed.bundle.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    assert not accepted_here(signed, signer)


@pytest.mark.parametrize("name", ["bundle", "model_signature"])
def test_nothing_may_be_added_that_other_tools_would_read_or_refuse(
    signed: Layout, signer: LocalSigner, name: str
) -> None:
    path: Path = getattr(signed, name)
    good = path.read_text()
    for spoiled in (
        good.replace("{", '{"more": 1,', 1),
        good.replace("{", '{"mediaType": "x",', 1),
        good.replace(": ", ":", 1),
        f"{good}\n",
    ):
        path.write_text(spoiled)
        assert not accepted_here(signed, signer)


def test_a_signature_has_one_form_only(signed: Layout, signer: LocalSigner) -> None:
    good = signed.signature.read_bytes()
    signed.signature.write_bytes(good + b"\n")
    assert not accepted_here(signed, signer)


@settings(max_examples=10, deadline=None)
@given(
    names=st.lists(
        st.sampled_from([".git/config", ".gitignore", "a", "b/.gitignore", "ü ü", "a.b", "a-/c", "model.sig", "z/y/x"]),
        min_size=1,
        unique=True,
    )
)
def test_the_package_accepts_every_kind_of_name(names: list[str]) -> None:
    signer = LocalSigner()
    with TemporaryDirectory() as folder:
        directory = Path(folder, "net")
        for name in names:
            path = directory / (name if name != "a" else "a.file")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        layout = Layout(Path(folder, "net.tar.gz"))
        packing.package_and_sign(directory, layout.archive, {}, signer)
        assert accepted_here(layout, signer)
        assert accepted_by_the_package(layout, directory, signer)
