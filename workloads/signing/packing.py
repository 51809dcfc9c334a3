"""Package and sign, for the commands and the release Job."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aegis import manifest as manifests
from aegis.errors import NotVerifiedError
from aegis.manifest import Manifest, is_text
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.signing import beside, signatures
from workloads.signing.archive import Progress, no_progress, write_archive
from workloads.signing.inputs import open_regular, problem, read_regular
from workloads.signing.keys import KeyRing, Signer
from workloads.signing.layout import Layout
from workloads.signing.lock import only_writer
from workloads.signing.staging import publish, staged, written


def package(model_dir: Path, out: Path, source: Mapping[str, Any], progress: Progress = no_progress) -> Manifest:
    """Write the archive of `model_dir` to `out` with its manifest, and remove the signatures of an earlier archive.

    Raises:
        WorkloadError: The directory can't be packaged or `out` can't be written; `out` is unchanged.
    """
    layout = _layout(model_dir, out)
    with _writing(layout), staged(layout) as archive:
        packed = write_archive(model_dir, archive.stream, progress)
        manifest = packed.manifest(_model_name(model_dir), source)
        publish(layout, {layout.manifest: manifest.to_bytes()}, archive)
    return manifest


def package_and_sign(
    model_dir: Path, out: Path, source: Mapping[str, Any], signer: Signer, progress: Progress = no_progress
) -> Manifest:
    """Write the archive of `model_dir` to `out` with its manifest and signatures; ask Vault before the work starts.

    Raises:
        WorkloadError: As `package`, or Vault is dead or refuses, or a key file in the folder is another key; `out` and
            its signatures are unchanged.
    """
    layout = _layout(model_dir, out)
    with _writing(layout):
        ring, public_keys = _keys(layout, signer)
        with staged(layout) as archive:
            packed = write_archive(model_dir, archive.stream, progress)
            manifest = packed.manifest(_model_name(model_dir), source)
            manifest, files = signatures.sign(layout, manifest, signer, ring)
            beside.place_public_keys(public_keys, layout)
            publish(layout, files, archive)
    return manifest


def sign(out: Path, signer: Signer) -> Manifest:
    """Sign an archive that `package` wrote, replacing earlier signatures, such as after a rotation of the key.

    Raises:
        WorkloadError: It isn't the archive of its manifest, or Vault is dead or refuses, or a key file in the folder is
            another key; the old files stay.
    """
    layout = Layout(out)
    with _writing(layout):
        manifest = dataclasses.replace(_read_manifest(layout), key=None)
        ring, public_keys = _keys(layout, signer)
        if sha256_of(out) != manifest.archive_sha256:
            raise NotVerifiedError(f"{out} is not the archive that its manifest describes: package it again.")
        manifest, files = signatures.sign(layout, manifest, signer, ring)
        with written(out):
            beside.place_public_keys(public_keys, layout)
            publish(layout, files)
    return manifest


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex.

    Raises:
        WorkloadError: It can't be read.
    """
    try:
        with open_regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise WorkloadError(problem(path, error), Exit.USAGE) from error


def _layout(model_dir: Path, out: Path) -> Layout:
    layout = Layout(out)
    try:
        packages_itself = out.resolve().is_relative_to(model_dir.resolve())
    # A RuntimeError means a symbolic link that points to itself.
    except (OSError, RuntimeError) as error:
        raise WorkloadError(f"{model_dir} or {out} can't be resolved: {error}", Exit.USAGE) from error
    if packages_itself:
        raise WorkloadError(f"{out} is inside the model directory {model_dir}, so it would package itself.", Exit.USAGE)
    return layout


def _model_name(model_dir: Path) -> str:
    name = model_dir.resolve().name
    if not is_text(name):
        raise WorkloadError(f"{model_dir} has a name that is not UTF-8 text without control characters.", Exit.USAGE)
    return name


@contextlib.contextmanager
def _writing(layout: Layout) -> Iterator[None]:
    """Lock an archive for writing, and clean up after a killed writer."""
    with only_writer(layout.archive), written(layout.archive):
        for part in layout.leftovers():
            part.unlink(missing_ok=True)
        _settle(layout)
        beside.check_replaceable(layout)
        yield


def _settle(layout: Layout) -> None:
    """Keep the waiting manifest of a killed writer if its archive was placed, else remove it."""
    try:
        waiting = manifests.parse(read_regular(layout.next_manifest), layout.next_manifest.name)
        placed = sha256_of(layout.archive) == waiting.archive_sha256
    except FileNotFoundError:
        return
    except (OSError, NotVerifiedError, WorkloadError):
        placed = False
    if placed:
        layout.next_manifest.replace(layout.manifest)
    else:
        layout.next_manifest.unlink(missing_ok=True)


def _keys(layout: Layout, signer: Signer) -> tuple[KeyRing, dict[Path, bytes]]:
    ring = signer.key_ring()
    public_keys = signatures.public_keys(layout, ring)
    beside.check_public_keys(public_keys)
    return ring, public_keys


def _read_manifest(layout: Layout) -> Manifest:
    try:
        content = read_regular(layout.manifest)
    except OSError as error:
        raise WorkloadError(
            f"{problem(layout.manifest, error)}; `package` writes it with the archive.", Exit.USAGE
        ) from error
    return manifests.parse(content, str(layout.manifest))
