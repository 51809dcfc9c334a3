import base64
import dataclasses
import gzip
import io
import json
import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis import manifest as manifests
from aegis.errors import NotVerifiedError
from tests.support.local_signer import LocalSigner
from workloads.cli import WorkloadError
from workloads.signing import packing, signatures
from workloads.signing.archive import Packed, tar_header
from workloads.signing.layout import Layout
from workloads.signing.verification import Demand, verify


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def refused(layout: Layout, signer: LocalSigner) -> str:
    """Return why verification fails; the extraction must leave nothing."""
    target = layout.archive.parent / "extracted"
    before = set(layout.archive.parent.iterdir())
    with pytest.raises(NotVerifiedError) as error:
        verify(layout.archive, [signer.public_key()], target)
    assert set(layout.archive.parent.iterdir()) == before
    return str(error.value)


def change(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def sign_again(layout: Layout, signer: LocalSigner, content: bytes) -> None:
    """Replace the archive with `content` and sign it, keeping the rest of the good archive's manifest."""
    good = manifests.parse(layout.manifest.read_bytes(), "manifest")
    layout.archive.write_bytes(content)
    digest = packing.sha256_of(layout.archive)
    crafted = dataclasses.replace(good, key=None, archive_sha256=digest, archive_size=len(content))
    _, files = signatures.sign(layout, crafted, signer, signer.key_ring())
    for path, data in files.items():
        path.write_bytes(data)


def test_what_was_signed_is_verified_and_extracted(model_dir: Path, signed: Layout, signer: LocalSigner) -> None:
    target = signed.archive.parent / "extracted"
    verified = verify(signed.archive, [signer.public_key()], target)
    assert contents(target) == contents(model_dir)
    assert verified.manifest.model == "net"
    assert verified.manifest.source == {"run_id": "0123abc"}
    assert verified.signed_by.version == 1


def test_an_empty_directory_may_receive_the_files(model_dir: Path, signed: Layout, signer: LocalSigner) -> None:
    target = signed.archive.parent / "extracted"
    target.mkdir()
    verify(signed.archive, [signer.public_key()], target)
    assert contents(target) == contents(model_dir)


def test_a_directory_with_files_is_never_extracted_to(signed: Layout, signer: LocalSigner) -> None:
    target = signed.archive.parent / "extracted"
    target.mkdir()
    (target / "mine").write_text("mine")
    with pytest.raises(WorkloadError, match="is not empty"):
        verify(signed.archive, [signer.public_key()], target)
    assert contents(target) == {"mine": b"mine"}


def test_the_current_directory_may_receive_the_files(
    model_dir: Path, signed: Layout, signer: LocalSigner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    verify(signed.archive, [signer.public_key()], Path())
    assert contents(empty) == contents(model_dir)


def test_a_directory_that_is_there_stays_the_one_that_it_is(
    signed: Layout, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount point can't be renamed or replaced; its stand-in is a directory that must not be touched."""
    target = signed.archive.parent / "mounted"
    target.mkdir()
    before = target.stat().st_ino
    rename = Path.rename

    def busy(path: Path, other: Path) -> Path:
        if target in (path, other):
            raise OSError(16, os.strerror(16))
        return rename(path, other)

    monkeypatch.setattr(Path, "rename", busy)
    verify(signed.archive, [signer.public_key()], target)
    assert target.stat().st_ino == before
    assert {path.name for path in target.iterdir()} == {"MLmodel", "config.json", "data", "empty"}


def test_an_extraction_that_breaks_off_leaves_the_directory_empty(
    signed: Layout, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = signed.archive.parent / "extracted"
    target.mkdir()
    rename = Path.rename

    def fail_once(path: Path, other: Path) -> Path:
        if path.name == "config.json" and path.parent != target:
            raise OSError(5, os.strerror(5))
        return rename(path, other)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(WorkloadError, match="cannot be written"):
        verify(signed.archive, [signer.public_key()], target)
    assert list(target.iterdir()) == []


def test_what_came_into_the_directory_meanwhile_is_kept(signed: Layout, signer: LocalSigner) -> None:
    target = signed.archive.parent / "extracted"
    target.mkdir()

    def intrude(done: int, total: int) -> None:
        (target / "MLmodel").write_text("mine")

    with pytest.raises(WorkloadError, match="is not empty"):
        verify(signed.archive, [signer.public_key()], target, intrude)
    assert contents(target) == {"MLmodel": b"mine"}


@pytest.mark.parametrize(
    ("demand", "reason"),
    [
        (Demand(model="other"), "it was signed as model 'net', not 'other'"),
        (Demand(run="other"), "it was signed as run '0123abc', not 'other'"),
        (Demand(model="net", run=""), "it was signed as run '0123abc', not ''"),
    ],
)
def test_another_models_whole_set_under_this_name_is_refused_where_the_model_is_demanded(
    signed: Layout, signer: LocalSigner, demand: Demand, reason: str
) -> None:
    target = signed.archive.parent / "extracted"
    with pytest.raises(NotVerifiedError, match=reason):
        verify(signed.archive, [signer.public_key()], target, demand=demand)
    assert not target.exists()


def test_the_demanded_model_and_run_are_verified(signed: Layout, signer: LocalSigner) -> None:
    verify(signed.archive, [signer.public_key()], demand=Demand(model="net", run="0123abc"))


@pytest.mark.parametrize("name", ["archive", "manifest", "bundle"])
def test_a_pipe_in_place_of_a_file_is_no_reason_to_wait(signed: Layout, signer: LocalSigner, name: str) -> None:
    path: Path = getattr(signed, name)
    path.unlink()
    os.mkfifo(path)
    assert refused(signed, signer) == f"{path} is not a regular file"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_any_changed_bit_of_the_archive_is_refused(
    signed: Layout, signer: LocalSigner, position: int, bit: int
) -> None:
    good = signed.archive.read_bytes()
    changed = bytearray(good)
    changed[position % len(good)] ^= 1 << bit
    signed.archive.write_bytes(changed)
    try:
        assert refused(signed, signer)
    finally:
        signed.archive.write_bytes(good)


def test_a_changed_weight_is_named(signed: Layout, signer: LocalSigner) -> None:
    # The random weights are stored uncompressed in the middle of the archive.
    change(signed.archive, signed.archive.stat().st_size // 2)
    assert "data/weights.bin in the archive is not what was signed" in refused(signed, signer)


def test_a_wrong_key_is_refused(signed: Layout, signer: LocalSigner) -> None:
    assert "signed with another key than version 1" in refused(signed, LocalSigner())
    verify(signed.archive, [LocalSigner().public_key(), signer.public_key()])


def test_archives_of_every_key_version_stay_verifiable(model_dir: Path, out: Path, signer: LocalSigner) -> None:
    old = out.with_name("old.tar.gz")
    packing.package_and_sign(model_dir, old, {}, signer)
    signer.rotate()
    packing.package_and_sign(model_dir, out, {}, signer)
    assert out.with_name("cosign-v1.pub").read_bytes() == signer.public_key(1).pem
    assert out.with_name("cosign-v2.pub").read_bytes() == signer.public_key(2).pem
    assert verify(old, [signer.public_key(2), signer.public_key(1)]).signed_by.version == 1
    assert verify(out, [signer.public_key(2), signer.public_key(1)]).signed_by.version == 2
    with pytest.raises(NotVerifiedError):
        verify(out, [signer.public_key(1)])


@pytest.mark.parametrize(
    "name", ["archive", "signature", "bundle", "manifest", "manifest_signature", "model_signature"]
)
def test_a_missing_file_is_named(signed: Layout, signer: LocalSigner, name: str) -> None:
    path: Path = getattr(signed, name)
    path.unlink()
    assert refused(signed, signer) == f"{path} is missing"


@pytest.mark.parametrize("name", ["signature", "bundle", "manifest", "manifest_signature", "model_signature"])
@pytest.mark.parametrize("position", [0, 0.5, 0.9])
def test_a_changed_file_beside_the_archive_is_named(
    signed: Layout, signer: LocalSigner, name: str, position: float
) -> None:
    path: Path = getattr(signed, name)
    change(path, int(position * path.stat().st_size))
    assert path.name.removesuffix(".sig") in refused(signed, signer)


@pytest.mark.parametrize("name", ["signature", "bundle", "model_signature", "manifest_signature"])
def test_a_signature_of_another_archive_is_refused(
    tmp_path: Path, signed: Layout, signer: LocalSigner, name: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "weights.bin").write_bytes(b"other weights")
    theirs = Layout(tmp_path / "other.tar.gz")
    packing.package_and_sign(other, theirs.archive, {}, signer)
    getattr(signed, name).write_bytes(getattr(theirs, name).read_bytes())
    assert getattr(signed, name).name.removesuffix(".sig") in refused(signed, signer)


def test_a_manifest_that_was_edited_is_refused(signed: Layout, signer: LocalSigner) -> None:
    manifest = json.loads(signed.manifest.read_bytes())
    manifest["source"]["run_id"] = "somebody else's"
    signed.manifest.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    assert "was changed or signed with another key" in refused(signed, signer)


@pytest.mark.parametrize("name", ["bundle", "model_signature"])
@pytest.mark.parametrize(
    "content", [b"", b"[]", b"[" * 100_000, b"{}", b'{"mediaType": NaN}', b"\xff", b'{"dsseEnvelope": {"payload": 1}}']
)
def test_what_is_no_bundle_is_refused(signed: Layout, signer: LocalSigner, name: str, content: bytes) -> None:
    getattr(signed, name).write_bytes(content)
    assert getattr(signed, name).name in refused(signed, signer)


def test_an_endless_file_beside_the_archive_is_refused(signed: Layout, signer: LocalSigner) -> None:
    with signed.bundle.open("ab") as stream:
        stream.truncate(10 << 30)
    assert "sigstore.json is larger than 256 MiB" in refused(signed, signer)


def test_an_unsigned_archive_is_refused(model_dir: Path, out: Path, signer: LocalSigner) -> None:
    packing.package(model_dir, out, {})
    assert refused(Layout(out), signer) == f"{out}.manifest.json.sig is missing"


def test_bytes_after_the_archive_are_refused(signed: Layout, signer: LocalSigner) -> None:
    with signed.archive.open("ab") as stream:
        stream.write(b"garbage")
    assert re.search(r"has \d+ bytes, but \d+ were signed", refused(signed, signer))


Craft = Callable[[tarfile.TarFile], None]


def entry(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", target: str = "") -> Craft:
    def craft(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.linkname = kind, len(content), target
        tar.addfile(info, io.BytesIO(content))

    return craft


@pytest.mark.parametrize(
    ("craft", "reason"),
    [
        (entry("../evil", content=b"x"), "holds '../evil', which leads out of the archive"),
        (entry("data/../../evil", content=b"x"), "leads out of the archive"),
        (entry("/etc/evil", content=b"x"), "holds '/etc/evil', which is an absolute path"),
        (entry("./MLmodel", content=b"x"), "is not a plain relative path"),
        (entry("link", tarfile.SYMTYPE, target="/etc/passwd"), "holds a symbolic link, 'link'"),
        (entry("link", tarfile.LNKTYPE, target="MLmodel"), "holds a hard link, 'link'"),
        (entry("tty", tarfile.CHRTYPE), "holds a character device, 'tty'"),
        (entry("disk", tarfile.BLKTYPE), "holds a block device, 'disk'"),
        (entry("pipe", tarfile.FIFOTYPE), "holds a named pipe, 'pipe'"),
        (entry("data", tarfile.DIRTYPE), "holds a directory, 'data'"),
        (entry("more.bin", content=b"x"), "holds more.bin, which is not in the manifest"),
        (entry("ü" * 90, content=b"x"), "which is not in the manifest"),
        (entry("MLmodel", content=b"other"), "holds MLmodel twice"),
    ],
)
def test_what_an_archive_may_not_hold_is_named_even_if_it_is_signed(
    model_dir: Path, signed: Layout, signer: LocalSigner, craft: Craft, reason: str
) -> None:
    sign_again(signed, signer, tar_of(model_dir, signed, last=craft))
    assert reason in refused(signed, signer)


def test_a_dangerous_entry_in_place_of_a_file_is_named(model_dir: Path, signed: Layout, signer: LocalSigner) -> None:
    sign_again(signed, signer, tar_of(model_dir, signed, first=entry("MLmodel", tarfile.SYMTYPE, target="/etc/passwd")))
    assert "holds a symbolic link, 'MLmodel'" in refused(signed, signer)


@pytest.mark.parametrize(("left_out", "missing"), [("MLmodel", "MLmodel"), ("empty", "empty")])
def test_a_file_that_is_not_in_the_archive_is_named(
    model_dir: Path, signed: Layout, signer: LocalSigner, left_out: str, missing: str
) -> None:
    sign_again(signed, signer, tar_of(model_dir, signed, leave_out=left_out))
    assert f"{missing} is missing in the archive" in refused(signed, signer)


def test_a_file_of_another_size_than_in_the_manifest_is_refused_before_it_is_read(
    model_dir: Path, signed: Layout, signer: LocalSigner
) -> None:
    bomb = tar_header("MLmodel", 10**12) + bytes(50_000_000)
    sign_again(signed, signer, gzip_of(bomb))
    assert "MLmodel has 1000000000000 bytes in the archive and 30 in the manifest" in refused(signed, signer)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda good: good + b"x", "trailing bytes"),
        (lambda good: good + gzip_of(b"second member"), "trailing bytes"),
        (lambda good: good[:-1], "checksum is wrong"),
        (lambda good: good[:-5000], "cut off"),
        (lambda good: good[:100], "cut off"),
        (lambda good: b"", "does not begin"),
        (lambda good: b"no gzip at all, but long enough", "does not begin"),
        (lambda good: good[:-8] + bytes(8), "checksum is wrong"),
        (lambda good: gzip_of(gzip.decompress(good) + bytes(10240)), "goes on after its end"),
        (lambda good: gzip_of(gzip.decompress(good)[:-1] + b"x"), "hides bytes"),
    ],
)
def test_a_malformed_stream_is_refused_even_if_it_is_signed(
    signed: Layout, signer: LocalSigner, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    sign_again(signed, signer, spoil(signed.archive.read_bytes()))
    assert reason in refused(signed, signer)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("../x", "leads out of the archive"), ("/x", "is an absolute path"), ("a//x", "is not a plain relative path")],
)
def test_a_dangerous_path_in_a_signed_manifest_is_refused(
    signed: Layout, signer: LocalSigner, path: str, reason: str
) -> None:
    good = manifests.parse(signed.manifest.read_bytes(), "manifest")
    packed = Packed(
        sha256=good.archive_sha256, size=good.archive_size, files=(dataclasses.replace(good.files[0], path=path),)
    )
    _, files = signatures.sign(signed, packed.manifest("net", {}), signer, signer.key_ring())
    for name, data in files.items():
        name.write_bytes(data)
    assert reason in refused(signed, signer)


def test_nothing_is_left_when_extraction_finds_a_full_disk(
    signed: Layout, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "write", full)
    before = set(signed.archive.parent.iterdir())
    with pytest.raises(WorkloadError, match="extracted cannot be written: No space left on device"):
        verify(signed.archive, [signer.public_key()], signed.archive.parent / "extracted")
    assert set(signed.archive.parent.iterdir()) == before


def test_the_signature_file_is_plain_base64_as_cosign_writes_it(signed: Layout, signer: LocalSigner) -> None:
    signature = base64.b64decode(signed.signature.read_bytes(), validate=True)
    digest = bytes.fromhex(packing.sha256_of(signed.archive))
    assert signer.public_key().accepts(signature, digest)


def gzip_of(content: bytes) -> bytes:
    # The header that packaging writes, so that only the bytes after it can be the reason.
    compressed = gzip.compress(content, mtime=0)
    return bytes.fromhex("1f8b08000000000000ff") + compressed[10:]


def tar_of(
    model_dir: Path, layout: Layout, *, first: Craft | None = None, last: Craft | None = None, leave_out: str = ""
) -> bytes:
    """Return an archive of the model's files in order, with another entry first or last."""
    order = [file.path for file in manifests.parse(layout.manifest.read_bytes(), "manifest").files]
    plain = io.BytesIO()
    for path in order:
        if path == leave_out or (first and path == "MLmodel"):
            if first:
                plain.write(alone(first))
            continue
        content = (model_dir / path).read_bytes()
        plain.write(tar_header(path, len(content)) + content + bytes(-len(content) % 512))
    if last:
        plain.write(alone(last))
    plain.write(bytes(1024))
    return gzip_of(plain.getvalue() + bytes(-plain.tell() % 10240))


def alone(craft: Craft) -> bytes:
    """Return the blocks of one entry, without the end of a tar stream."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        craft(tar)
        return stream.getvalue()
