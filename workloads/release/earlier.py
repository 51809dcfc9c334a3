"""Compare a release with earlier ones: a version must keep its files, and a folder belongs to one model."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mlflow.entities.model_registry import ModelVersion

from aegis import manifest as manifests
from aegis.errors import NotVerifiedError
from aegis.manifest import Manifest, PackedFile
from workloads.release import tags
from workloads.release.model import RunModel
from workloads.release.store import ReleaseStore
from workloads.signing import packing, tree
from workloads.signing.layout import Layout

_MANIFEST: Final = Layout(Path("model.tar.gz")).manifest.name


def require_same_files(model_dir: Path, version: ModelVersion | None, model: RunModel, store: ReleaseStore) -> None:
    """Refuse to release `version` again if its files in MLflow, fetched to `model_dir`, differ from its release.

    The digest of the release is in the version's tags. Anyone who can overwrite the files could remove the tags, so
    without them the manifests in the releases bucket are compared.

    Raises:
        NotVerifiedError: The files differ.
    """
    if version is None:
        return
    released = version.tags.get(tags.CONTENT_SHA256)
    digests = [released] if released else [one.content_sha256 for one in _releases(store, version.name, model)]
    if not digests:
        return
    content = content_of(model_dir)
    if content not in digests:
        raise NotVerifiedError(
            f"{version.name} version {version.version} was released with other bytes: the digest of its files was "
            f"{digests[0]} and is {content} now. Put the files of {model.source} back, or train again."
        )


def holds_another(store: ReleaseStore, folder: str, source: Mapping[str, Any]) -> bool:
    """Return whether `folder` has the manifest of a different model than `source`."""
    manifest = _manifest(store, folder)
    return manifest is not None and not same_model(manifest.source, source)


def same_model(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two sources of manifests name the same model; a run may have several models."""
    models = one.get("model_id"), other.get("model_id")
    return one.get("run_id") == other.get("run_id") and (None in models or models[0] == models[1])


def content_of(model_dir: Path) -> str:
    """Return the digest of a model directory's files, see `Manifest.content_sha256`.

    Raises:
        WorkloadError: The directory can't be read or packaged.
    """
    files = tree.scan(model_dir)
    return manifests.content_digest(
        [PackedFile(path=file.name, size=file.size, sha256=packing.sha256_of(file.path)) for file in files]
    )


def _releases(store: ReleaseStore, name: str, model: RunModel) -> Iterator[Manifest]:
    for folder in store.folders(name):
        manifest = _manifest(store, folder)
        if manifest is not None and same_model(manifest.source, model.identity):
            yield manifest


def _manifest(store: ReleaseStore, folder: str) -> Manifest | None:
    content = store.read(folder, _MANIFEST)
    try:
        return manifests.parse(content, _MANIFEST) if content is not None else None
    except NotVerifiedError:
        return None
