import base64
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aegis.errors import NotVerifiedError
from contracts import Exit
from tests.support.local_signer import LocalSigner
from workloads.cli import WorkloadError
from workloads.signing import bundle, packing, staging
from workloads.signing.keys import KeyRing
from workloads.signing.layout import Layout
from workloads.signing.verification import verify

BESIDE = {
    "model.tar.gz",
    "model.tar.gz.sig",
    "model.tar.gz.sigstore.json",
    "model.tar.gz.manifest.json",
    "model.tar.gz.manifest.json.sig",
    "model.sig",
    "cosign-v1.pub",
}


class DeadSigner(LocalSigner):
    """A signer that answers only the first request, with the keys of `living` if given."""

    def __init__(self, living: LocalSigner | None = None) -> None:
        super().__init__()
        self._living = living or super()

    def key_ring(self) -> KeyRing:
        return self._living.key_ring()

    def sign(self, digests: object, version: int) -> list[bytes]:
        raise WorkloadError("Vault is gone", Exit.VAULT)


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_everything_that_proves_an_archive_lies_beside_it(signed: Layout) -> None:
    assert files(signed.archive.parent).keys() == BESIDE
    modes = {path.stat().st_mode & 0o777 for path in signed.archive.parent.iterdir()}
    assert modes == {0o644 & ~_umask()}


def test_packaging_alone_writes_the_archive_and_its_manifest(model_dir: Path, out: Path) -> None:
    manifest = packing.package(model_dir, out, {"run_id": "r"})
    assert files(out.parent).keys() == {"model.tar.gz", "model.tar.gz.manifest.json"}
    written = json.loads(out.with_name("model.tar.gz.manifest.json").read_bytes())
    assert written["archive"] == {"sha256": packing.sha256_of(out), "size": out.stat().st_size}
    assert written["content"]["files"] == 4
    assert [file["path"] for file in written["files"]] == ["MLmodel", "config.json", "data/weights.bin", "empty"]
    assert written["source"] == {"run_id": "r"}
    assert "key" not in written
    assert manifest.archive_sha256 == packing.sha256_of(out)


def test_the_content_digest_is_the_one_of_sha256sum(model_dir: Path, out: Path) -> None:
    manifest = packing.package(model_dir, out, {})
    names = ["MLmodel", "config.json", "data/weights.bin", "empty"]
    listing = subprocess.run(["sha256sum", *names], cwd=model_dir, capture_output=True, check=True)
    assert hashlib.sha256(listing.stdout).hexdigest() == manifest.content_sha256


def test_signing_what_was_packaged_gives_the_same_files(model_dir: Path, out: Path, signer: LocalSigner) -> None:
    packing.package(model_dir, out, {})
    packing.sign(out, signer)
    assert files(out.parent).keys() == BESIDE
    verify(out, [signer.public_key()])


def test_signing_again_after_a_rotation_replaces_the_signatures(signed: Layout, signer: LocalSigner) -> None:
    signer.rotate()
    packing.sign(signed.archive, signer)
    assert verify(signed.archive, [signer.public_key(2)]).signed_by.version == 2


def test_an_archive_that_changed_since_it_was_packaged_is_not_signed(
    model_dir: Path, out: Path, signer: LocalSigner
) -> None:
    packing.package(model_dir, out, {})
    with out.open("ab") as stream:
        stream.write(b"x")
    before = files(out.parent)
    with pytest.raises(NotVerifiedError, match="is not the archive that its manifest describes"):
        packing.sign(out, signer)
    assert files(out.parent) == before


def test_an_archive_without_a_manifest_is_not_signed(out: Path, signer: LocalSigner) -> None:
    out.write_bytes(b"x")
    with pytest.raises(WorkloadError, match=r"manifest\.json cannot be read.*`package` writes it"):
        packing.sign(out, signer)


def test_packaging_anew_takes_the_old_signatures_away(model_dir: Path, signed: Layout) -> None:
    (model_dir / "config.json").write_text("{}")
    packing.package(model_dir, signed.archive, {})
    assert files(signed.archive.parent).keys() == {"model.tar.gz", "model.tar.gz.manifest.json", "cosign-v1.pub"}


def test_a_signer_that_dies_leaves_nothing_behind(model_dir: Path, out: Path) -> None:
    with pytest.raises(WorkloadError, match="Vault is gone"):
        packing.package_and_sign(model_dir, out, {}, DeadSigner())
    assert files(out.parent) == {}


def test_a_signer_that_dies_leaves_the_old_archive_and_its_signatures(
    model_dir: Path, signed: Layout, signer: LocalSigner
) -> None:
    before = files(signed.archive.parent)
    (model_dir / "config.json").write_text("{}")
    with pytest.raises(WorkloadError, match="Vault is gone"):
        packing.package_and_sign(model_dir, signed.archive, {}, DeadSigner(signer))
    with pytest.raises(WorkloadError, match="Vault is gone"):
        packing.sign(signed.archive, DeadSigner(signer))
    assert files(signed.archive.parent) == before


def test_at_no_moment_a_signature_lies_beside_an_archive_that_it_does_not_sign(
    model_dir: Path, signed: Layout, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupt the publishing before each of its steps, and check what a reader would find."""
    (model_dir / "config.json").write_text('{"other": 1}')
    old = files(signed.archive.parent)
    steps = 0
    while _breaks_off_at(steps, model_dir, signed, signer, monkeypatch):
        found = files(signed.archive.parent)
        digest = hashlib.sha256(found["model.tar.gz"]).digest()
        if signed.signature.exists():
            assert signer.public_key().accepts(base64.b64decode(found["model.tar.gz.sig"]), digest)
        if signed.bundle.exists():
            bundle.check(found["model.tar.gz.sigstore.json"], name="bundle", key=signer.public_key(), digest=digest)
        assert not [name for name in found if name.endswith(".part")]
        packing.package_and_sign(model_dir, signed.archive, {}, signer)
        for name, data in old.items():
            (signed.archive.parent / name).write_bytes(data)
        steps += 1
    assert steps > 10


def _breaks_off_at(
    step: int, model_dir: Path, layout: Layout, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> bool:
    """Package with a failure at the step-th rename; return False if there are fewer."""
    left = [step]
    with monkeypatch.context() as patch:
        for name in ("replace", "unlink"):
            original = getattr(Path, name)

            def fail(path: Path, *args: object, original=original, **kwargs: object) -> object:  # noqa: ANN001
                if path.name.endswith(".part") and original.__name__ == "unlink":
                    return original(path, *args, **kwargs)
                left[0] -= 1
                if left[0] < 0:
                    raise OSError(5, "broken off")
                return original(path, *args, **kwargs)

            patch.setattr(Path, name, fail)
        try:
            packing.package_and_sign(model_dir, layout.archive, {}, signer)
        except WorkloadError:
            return True
    return False


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(model_dir: Path, out: Path) -> None:
    """A limit on file sizes fails the write as a full disk does."""
    result = subprocess.run(
        [sys.executable, "-m", "workloads.signing.package", str(model_dir), str(out)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert result.returncode == Exit.UNEXPECTED
    assert result.stderr.splitlines() == [f"error: {out} cannot be written: File too large"]
    assert files(out.parent) == {}


def test_a_missing_output_directory_is_one_clear_line(model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"nowhere/model\.tar\.gz cannot be written: No such file or directory"):
        packing.package(model_dir, tmp_path / "nowhere" / "model.tar.gz", {})


def test_a_killed_packaging_leaves_nothing(tmp_path: Path, out: Path) -> None:
    model_dir = tmp_path / "big"
    model_dir.mkdir()
    with (model_dir / "weights.bin").open("wb") as stream:
        stream.truncate(200 << 30)
    process = subprocess.Popen([sys.executable, "-m", "workloads.signing.package", str(model_dir), str(out)])
    try:
        deadline = time.monotonic() + 30
        while not _writes_to(process.pid, out.parent) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _writes_to(process.pid, out.parent)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert files(out.parent) == {}


def _writes_to(pid: int, directory: Path) -> bool:
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            if str(link.readlink()).startswith(str(directory)) and link.stat().st_size > 0:
                return True
        except OSError:
            continue
    return False


def test_without_unnamed_files_the_archive_is_written_and_cleaned_up_as_well(
    model_dir: Path, out: Path, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def no_unnamed(path: str, flags: int, *args: int, **kwargs: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, os.strerror(95))
        return real(path, flags, *args, **kwargs)

    monkeypatch.setattr(staging.os, "open", no_unnamed)
    with pytest.raises(WorkloadError):
        packing.package_and_sign(model_dir, out, {}, DeadSigner())
    assert files(out.parent) == {}
    packing.package_and_sign(model_dir, out, {}, signer)
    assert files(out.parent).keys() == BESIDE


@pytest.mark.parametrize("name", ["model.zip", "model", ".tar.gz"])
def test_another_name_than_tar_gz_is_refused(model_dir: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(WorkloadError, match=r"it must end in \.tar\.gz"):
        packing.package(model_dir, tmp_path / name, {})


def test_an_archive_in_its_own_model_directory_is_refused(model_dir: Path) -> None:
    with pytest.raises(WorkloadError, match="it would package itself"):
        packing.package(model_dir, model_dir / "data" / "model.tar.gz", {})


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
