"""Packaging and signing as functions: what the commands and the release Job call."""

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from contracts import Env, Exit
from workloads.cli import WorkloadError
from workloads.signing import manifest as manifests
from workloads.signing import signatures
from workloads.signing.archive import Progress, no_progress, write_archive
from workloads.signing.encoding import load_json
from workloads.signing.errors import NotVerifiedError
from workloads.signing.layout import Layout
from workloads.signing.manifest import Manifest
from workloads.signing.signer import Signer
from workloads.signing.staging import publish, staged, written


def package(model_dir: Path, out: Path, source: Mapping[str, Any], progress: Progress = no_progress) -> Manifest:
    """Write the archive of `model_dir` to `out`, and its manifest beside it; old signatures there are removed.

    Raises:
        WorkloadError: The directory can't be packaged or `out` can't be written; `out` is as it was.
    """
    layout = _layout(model_dir, out)
    with staged(layout.archive) as archive:
        packed = write_archive(model_dir, archive.stream, progress)
        manifest = manifests.make(model_dir.resolve().name, packed, source)
        publish(layout, {layout.manifest: manifest.to_bytes()}, archive)
    return manifest


def package_and_sign(
    model_dir: Path, out: Path, source: Mapping[str, Any], signer: Signer, progress: Progress = no_progress
) -> Manifest:
    """Write the archive of `model_dir` to `out` with everything that proves it; Vault is asked before the work starts.

    Raises:
        WorkloadError: As `package`, or Vault is dead or refuses; `out` and its signatures are as they were.
    """
    layout = _layout(model_dir, out)
    ring = signer.key_ring()
    with staged(layout.archive) as archive:
        packed = write_archive(model_dir, archive.stream, progress)
        manifest = manifests.make(model_dir.resolve().name, packed, source)
        manifest, files = signatures.sign(layout, manifest, signer, ring)
        publish(layout, files, archive)
    return manifest


def sign(out: Path, signer: Signer) -> Manifest:
    """Sign an archive that `package` wrote; signing again, as after a rotation of the key, replaces the signatures.

    Raises:
        WorkloadError: It isn't the archive of its manifest, or Vault is dead or refuses; the old files stay.
    """
    layout = Layout(out)
    manifest = dataclasses.replace(_read_manifest(layout), key=None)
    ring = signer.key_ring()
    if sha256_of(out) != manifest.archive_sha256:
        raise NotVerifiedError(f"{out} is not the archive that its manifest describes: package it again.")
    manifest, files = signatures.sign(layout, manifest, signer, ring)
    with written(out):
        publish(layout, files)
    return manifest


def source_of(model_dir: Path, run_file: Path | None) -> dict[str, Any]:
    """Return where a model came from: the run in `run_file`, else the one its `MLmodel` names, and the git commit.

    Raises:
        WorkloadError: `run_file` is not a JSON object.
    """
    source = _read_run(run_file) if run_file else _mlmodel(model_dir)
    if (commit := os.environ.get(Env.GIT_COMMIT)) and not source.get("git_commit"):
        source["git_commit"] = commit
    return source


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex.

    Raises:
        WorkloadError: It can't be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise WorkloadError(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error


def _layout(model_dir: Path, out: Path) -> Layout:
    layout = Layout(out)
    if out.resolve().is_relative_to(model_dir.resolve()):
        raise WorkloadError(f"{out} lies in the model directory {model_dir}: it would package itself.", Exit.USAGE)
    if out.is_dir():
        raise WorkloadError(f"{out} is a directory: give the path of the archive.", Exit.USAGE)
    return layout


def _read_manifest(layout: Layout) -> Manifest:
    try:
        content = layout.manifest.read_bytes()
    except OSError as error:
        raise WorkloadError(
            f"{layout.manifest} cannot be read: {error.strerror}; `package` writes it with the archive.", Exit.USAGE
        ) from error
    return manifests.parse(content, str(layout.manifest))


def _read_run(run_file: Path) -> dict[str, Any]:
    try:
        run = load_json(run_file.read_bytes())
    except (OSError, ValueError) as error:
        raise WorkloadError(f"{run_file} is not a readable JSON file: {error}", Exit.USAGE) from error
    if not isinstance(run, dict):
        raise WorkloadError(f"{run_file} holds no JSON object, such as select_best_run --json prints.", Exit.USAGE)
    return run


def _mlmodel(model_dir: Path) -> dict[str, Any]:
    try:
        described = yaml.safe_load((model_dir / "MLmodel").read_bytes())
    except (OSError, yaml.YAMLError):
        return {}
    if not isinstance(described, dict):
        return {}
    return {name: str(described[name]) for name in ("run_id", "model_id") if described.get(name)}
