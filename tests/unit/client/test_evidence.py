"""The evidence in a version's tags: long manifests in several tags, and tags that anyone may have written."""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis import evidence
from aegis.errors import NotVerifiedError
from aegis.manifest import Manifest, PackedFile, SigningKey
from tests.support.local_signer import LocalSigner

SIGNER = LocalSigner()
TRUSTED = [SIGNER.public_key()]


@dataclass
class Version:
    tags: dict[str, str]
    name: str = "net"
    version: str = "1"
    run_id: str | None = "0123"


def tags_of(count: int = 3, **source: Any) -> dict[str, str]:
    """Return the evidence of a model with `count` files."""
    key = SigningKey(mount="transit", name="k", version=1, fingerprint=TRUSTED[0].fingerprint)
    files = tuple(
        PackedFile(path=f"{number:06}", size=number, sha256=f"{number * 0x9E3779B97F4A7C15 % 2**256:064x}")
        for number in range(count)
    )
    manifest = Manifest(
        model="net",
        archive_sha256="0" * 64,
        archive_size=1,
        files=files,
        source={"run_id": "0123", **source},
        key=key,
    )
    return signed_tags(manifest.to_bytes())


def signed_tags(content: bytes) -> dict[str, str]:
    """Return `content` as a manifest that a trusted key signed."""
    (signature,) = SIGNER.sign([hashlib.sha256(content).digest()], 1)
    return evidence.to_tags(content, base64.b64encode(signature).decode())


GOOD = tags_of()


def refusal(tags: Mapping[str, str]) -> str:
    with pytest.raises(NotVerifiedError) as refused:
        evidence.check(Version(dict(tags)), TRUSTED)
    return str(refused.value)


def test_a_long_manifest_takes_several_tags_that_mlflow_accepts() -> None:
    tags = tags_of(8_000)
    assert len(tags) > 2
    assert max(map(len, tags.values())) < 100_000
    assert len(evidence.check(Version(tags), TRUSTED).manifest.files) == 8_000
    lost = {name: value for name, value in tags.items() if name != "aegis.manifest.2"}
    assert refusal(lost) == "its tag aegis.manifest.2 is missing"


def test_a_decompression_bomb_is_refused_within_its_limit() -> None:
    """64 MiB of zeros have 64 KiB when they are compressed."""
    stream = zlib.compressobj(9)
    bomb = b"".join(stream.compress(bytes(1 << 24)) for _ in range(4)) + stream.flush()
    text = base64.b64encode(bomb).decode()
    assert refusal({**GOOD, evidence.MANIFEST: f"1:{text}"}).endswith("is cut off or holds more than 16 MiB")


def test_a_manifest_of_exactly_the_limit_is_read() -> None:
    assert "is not JSON" in refusal(signed_tags(bytes(16 << 20)))
    with pytest.raises(ValueError, match="the manifest has 16777217 bytes"):
        evidence.to_tags(bytes((16 << 20) + 1), "")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"[" * 100_000, b'{"schema": "aegis.model-archive/v1"}', b'{"a": NaN}', b"\xff"]
)
def test_what_a_trusted_key_signed_must_still_be_a_manifest(content: bytes) -> None:
    assert refusal(signed_tags(content))


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../b", "a//b", ".", "", "a\0b", "a\nb"])
def test_a_signed_manifest_with_a_path_out_of_the_folder_is_refused(path: str) -> None:
    content = base64.b64decode(GOOD[evidence.MANIFEST].partition(":")[2])
    changed = zlib.decompress(content).replace(b'"000000"', json.dumps(path).encode())
    assert "the manifest lists" in refusal(signed_tags(changed))


@pytest.mark.parametrize("run_id", [None, "", "0124", ["0123"], 123])
def test_the_run_must_be_the_signed_one(run_id: object) -> None:
    assert "it was signed as run" in refusal(tags_of(run_id=run_id))


def test_a_version_without_a_run_is_not_one_with_a_run() -> None:
    with pytest.raises(NotVerifiedError, match="not None"):
        evidence.check(Version(GOOD, run_id=None), TRUSTED)
    assert evidence.check(Version(tags_of(run_id=None), run_id=""), TRUSTED)


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(sorted(GOOD)),
    start=st.integers(0, 400),
    length=st.integers(0, 40),
    text=st.text(max_size=20) | st.from_regex(r"[A-Za-z0-9+/=:]{0,20}", fullmatch=True),
)
def test_tags_that_differ_in_any_way_are_refused(name: str, start: int, length: int, text: str) -> None:
    value = GOOD[name]
    changed = value[:start] + text + value[start + length :]
    if changed != value:
        assert refusal({**GOOD, name: changed})


@settings(max_examples=50, deadline=None)
@given(
    tags=st.dictionaries(
        st.sampled_from(["aegis.manifest", "aegis.manifest.2", "aegis.manifest.signature", "other"]),
        st.text(max_size=50) | st.from_regex(r"[0-9]{1,3}:[A-Za-z0-9+/=]{0,40}", fullmatch=True),
    )
)
def test_random_tags_are_refused_with_a_reason(tags: dict[str, str]) -> None:
    assert refusal(tags)
    assert len(evidence.digest(tags)) == 64


def test_the_digest_changes_with_the_evidence_only() -> None:
    digest = evidence.digest(GOOD)
    assert evidence.digest({**GOOD, "owner": "me"}) == digest
    assert evidence.digest({**GOOD, evidence.SIGNATURE: "x"}) != digest
