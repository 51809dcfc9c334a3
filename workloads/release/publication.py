"""Sign a model that MLflow holds, upload its archive and register it as a version; each step can be repeated.

The files are fetched from the artifact store, so that what is signed is what clients of MLflow get.
"""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from workloads.mlflow_client import Tracking
from workloads.release import earlier, tags
from workloads.release import model as models
from workloads.release.model import RunModel
from workloads.release.store import ReleaseStore
from workloads.signing import packing
from workloads.signing.keys import Signer, load
from workloads.signing.layout import Layout
from workloads.signing.verification import Verified, verify


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """A registered `version` with its verified archive, which is stored at `archive`."""

    version: str
    archive: str
    signed: Verified


@dataclass(frozen=True, kw_only=True, slots=True)
class Publisher:
    """Publishes signed versions: the tracking server, the signer, the releases bucket and a scratch directory."""

    tracking: Tracking
    signer: Signer
    store: ReleaseStore
    scratch: Path

    def publish(
        self,
        model: RunModel,
        name: str,
        source: Mapping[str, Any],
        further_tags: Mapping[str, str] | None = None,
        content_sha256: str | None = None,
    ) -> Publication:
        """Package, sign, verify and upload `model`, and register it as a version of `name` with the archive's tags.

        `source` is the manifest's origin of the model, and `further_tags` are set on the version too. The files in
        MLflow must have the digest `content_sha256`, if it is given.

        Raises:
            NotVerifiedError: The files in MLflow are other ones. Nothing is registered then.
            WorkloadError: A service is dead, the archive doesn't verify, or the version was released with other bytes.
                Nothing is registered then.
        """
        scratch = self.scratch / name
        model_dir = scratch / "files" / name
        models.download(self.tracking, model, model_dir)
        if content_sha256 not in (None, earlier.content_of(model_dir)):
            raise NotVerifiedError(f"the files of {model.source} in MLflow are not those that were to be signed")
        version = models.version_of(self.tracking, model, name)
        earlier.require_same_files(model_dir, version, model, self.store)
        layout = Layout(scratch / "signed" / "model.tar.gz")
        layout.archive.parent.mkdir()
        signed = _signed(layout, model_dir, source, self.signer)
        folder, signed = _uploaded(layout, signed, self.store, name)
        uris = {
            path.name: self.store.uri(folder, path.name) for path in (layout.archive, layout.manifest, layout.bundle)
        }
        all_tags = {**(further_tags or {}), **tags.of(layout, signed, uris)}
        number = models.register(self.tracking, model, name, all_tags)
        _say(f"registered as {name} version {number}")
        return Publication(version=number, archive=uris[layout.archive.name], signed=signed)


def _signed(layout: Layout, model_dir: Path, source: Mapping[str, Any], signer: Signer) -> Verified:
    manifest = packing.package_and_sign(model_dir, layout.archive, source, signer)
    shutil.rmtree(model_dir)
    verified = verify(layout.archive, _exported_keys(layout))
    _say(f"packaged, signed and verified: {len(manifest.files)} files, {manifest.archive_size} bytes")
    return verified


def _uploaded(layout: Layout, signed: Verified, store: ReleaseStore, name: str) -> tuple[str, Verified]:
    """Upload the archive and its signatures, unless an earlier attempt did with the same key and they still verify.

    Signatures of an older key version are replaced, so that the version stays good when that key is revoked. Returns
    their folder and its verified content. Another model with the same bytes keeps its folder and manifest.
    """
    sha256, source = signed.manifest.archive_sha256, signed.manifest.source
    folder = store.folder(name, sha256)
    if earlier.holds_another(store, folder, source):
        folder = store.folder(name, sha256, owner=source["model_id"] or source["run_id"])
    if released := _released(layout, signed, store, folder):
        _say("the same archive is in the object store already, and its signatures are good")
        return folder, released
    public_keys = [Path(key.name) for key in _exported_keys(layout)]
    store.upload(folder, [layout.archive, *public_keys, *layout.signatures, layout.manifest])
    _say(f"uploaded to {store.uri(folder, layout.archive.name)}")
    return folder, signed


def _released(layout: Layout, signed: Verified, store: ReleaseStore, folder: str) -> Verified | None:
    """Verify the stored signatures of the same archive; return None if they are incomplete or not by the newest key."""
    stored = Layout(layout.archive.parent / "stored" / layout.archive.name)
    names = [path.name for path in (layout.manifest, *layout.signatures)]
    if store.size(folder, layout.archive.name) != signed.manifest.archive_size:
        return None
    if any(store.size(folder, name) is None for name in names):
        return None
    stored.archive.parent.mkdir()
    stored.archive.hardlink_to(layout.archive)
    for name in names:
        store.download(folder, stored.archive.with_name(name))
    try:
        verified = verify(stored.archive, [signed.key])
    except NotVerifiedError:
        return None
    return verified if earlier.same_model(verified.manifest.source, signed.manifest.source) else None


def _exported_keys(layout: Layout) -> list[PublicKey]:
    return [load(path) for path in sorted(layout.archive.parent.glob("cosign-v*.pub"))]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
