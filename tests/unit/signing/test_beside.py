"""Signing keeps the files of others in the folder: other keys, other signatures, and another process's archive."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aegis.errors import NotVerifiedError
from contracts import Exit
from tests.support.local_signer import LocalSigner
from workloads.cli import WorkloadError
from workloads.signing import packing
from workloads.signing.layout import Layout
from workloads.signing.lock import only_writer
from workloads.signing.staging import StagedArchive
from workloads.signing.verification import verify


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_another_vaults_key_does_not_replace_the_one_that_is_there(
    model_dir: Path, signed: Layout, signer: LocalSigner
) -> None:
    before = contents(signed.archive.parent)
    other = signed.archive.with_name("other.tar.gz")
    with pytest.raises(WorkloadError, match=r"cosign-v1\.pub is not the key that signs now") as refusal:
        packing.package_and_sign(model_dir, other, {}, LocalSigner())
    assert refusal.value.code == Exit.USAGE
    assert contents(signed.archive.parent) == before
    verify(signed.archive, [signer.public_key()])


def test_a_rotated_key_is_written_beside_the_old_one(signed: Layout, signer: LocalSigner) -> None:
    signer.rotate()
    packing.sign(signed.archive, signer)
    assert signed.public_key(1).read_bytes() == signer.public_key(1).pem
    assert signed.public_key(2).read_bytes() == signer.public_key(2).pem


Act = Callable[[Path, Layout, LocalSigner], object]


@pytest.mark.parametrize(
    "act",
    [
        lambda model_dir, layout, signer: packing.package(model_dir, layout.archive, {}),
        lambda model_dir, layout, signer: packing.package_and_sign(model_dir, layout.archive, {}, signer),
        lambda model_dir, layout, signer: packing.sign(layout.archive, signer),
    ],
)
@pytest.mark.parametrize("content", [b"", b"somebody's own", b'{"mediaType": "application/json"}'])
def test_a_signature_of_something_else_is_kept(
    model_dir: Path, signed: Layout, signer: LocalSigner, act: Act, content: bytes
) -> None:
    signed.model_signature.write_bytes(content)
    before = contents(signed.archive.parent)
    with pytest.raises(WorkloadError, match=r"model\.sig is not the signature of the files in .*manifest\.json"):
        act(model_dir, signed, signer)
    assert contents(signed.archive.parent) == before


def test_a_signature_of_something_else_is_kept_before_there_is_an_archive(model_dir: Path, out: Path) -> None:
    Layout(out).model_signature.write_bytes(b"somebody's own")
    with pytest.raises(WorkloadError, match="move it away"):
        packing.package(model_dir, out, {})
    assert contents(out.parent) == {"model.sig": b"somebody's own"}


@pytest.mark.parametrize("name", ["manifest", "signature", "model_signature"])
def test_a_directory_in_the_way_is_named_and_nothing_changes(
    model_dir: Path, signed: Layout, signer: LocalSigner, name: str
) -> None:
    blocked: Path = getattr(signed, name)
    blocked.unlink()
    blocked.mkdir()
    before = contents(signed.archive.parent)
    with pytest.raises(WorkloadError, match="is a directory") as refusal:
        packing.package_and_sign(model_dir, signed.archive, {}, signer)
    assert refusal.value.code == Exit.USAGE
    assert contents(signed.archive.parent) == before


@pytest.mark.parametrize("name", ["m" * 250 + ".tar.gz", "ü" * 120 + ".tar.gz", "m.tar.gz.tar.gz"])
def test_a_name_that_leaves_no_room_for_the_signatures_is_refused(model_dir: Path, out: Path, name: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        packing.package(model_dir, out.with_name(name), {})
    assert refusal.value.code == Exit.USAGE
    assert contents(out.parent) == {}


def test_the_longest_name_that_is_allowed_can_be_written(model_dir: Path, out: Path, signer: LocalSigner) -> None:
    longest = out.with_name("m" * (237 - 7) + ".tar.gz")
    packing.package_and_sign(model_dir, longest, {}, signer)
    verify(longest, [signer.public_key()])


def test_a_second_writer_is_told_who_writes(model_dir: Path, out: Path, signer: LocalSigner) -> None:
    command = [sys.executable, "-m", "workloads.signing.package", str(model_dir), str(out)]
    with only_writer(out):
        loser = subprocess.run(command, capture_output=True, text=True, check=False)
        packing.package(model_dir, out.with_name("another.tar.gz"), {})
    assert loser.returncode == Exit.USAGE
    assert loser.stderr.splitlines() == [
        f"error: {out} is being written by process {os.getpid()}: wait for it, or write to another path."
    ]
    assert not out.exists()
    packing.package_and_sign(model_dir, out, {}, signer)


def test_a_folder_under_another_name_is_the_same_folder(model_dir: Path, out: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(out.parent)
    with only_writer(out), pytest.raises(WorkloadError, match="is being written by process"):
        packing.package(model_dir, link / out.name, {})


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Run `action` in a process that dies, as by SIGKILL, before its step-th rename; return False if it ended."""
    process = multiprocessing.get_context("fork").Process(target=_die_at, args=(step, action))
    process.start()
    process.join()
    return process.exitcode == 137


def _die_at(step: int, action: Callable[[], object]) -> None:
    left = [step]

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                os._exit(137)
            return original(*args, **kwargs)

        return call

    changes = [(Path, name) for name in ("replace", "unlink", "write_bytes", "hardlink_to")]
    for owner, name in (*changes, (StagedArchive, "place")):
        setattr(owner, name, counted(getattr(owner, name)))
    action()
    os._exit(0)


@pytest.mark.parametrize("again", ["sign", "package", "package_and_sign"])
def test_whenever_a_command_is_killed_signing_goes_on(
    model_dir: Path, signed: Layout, signer: LocalSigner, again: str
) -> None:
    (model_dir / "config.json").write_text("{}")
    act: Callable[[], object] = {
        "sign": lambda: packing.sign(signed.archive, signer),
        "package": lambda: packing.package(model_dir, signed.archive, {}),
        "package_and_sign": lambda: packing.package_and_sign(model_dir, signed.archive, {}, signer),
    }[again]
    old = contents(signed.archive.parent)
    steps = 0
    while killed_at(steps, act):
        try:
            verify(signed.archive, [signer.public_key()])
        except NotVerifiedError:
            packing.sign(signed.archive, signer)
            verify(signed.archive, [signer.public_key()])
        packing.sign(signed.archive, signer)
        assert contents(signed.archive.parent).keys() == old.keys()
        for path in signed.archive.parent.iterdir():
            path.unlink()
        for name, content in old.items():
            (signed.archive.parent / name).write_bytes(content)
        steps += 1
    assert steps > 5


def test_packaging_again_after_a_kill_between_archive_and_manifest_loses_nothing(
    model_dir: Path, signed: Layout, signer: LocalSigner
) -> None:
    """A manifest waits under a separate name for an archive that is placed; a failing packaging must not drop it."""
    signed.manifest.rename(signed.next_manifest)

    def fail(done: int, total: int) -> None:
        raise WorkloadError("stopped")

    with pytest.raises(WorkloadError, match="stopped"):
        packing.package(model_dir, signed.archive, {}, fail)
    packing.sign(signed.archive, signer)
    verify(signed.archive, [signer.public_key()])
