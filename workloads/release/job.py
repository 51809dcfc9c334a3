"""Release the best run from end to end.

Each step can be repeated, so a restarted Job makes no second version and no second archive.
"""

import contextlib
import dataclasses
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workloads.mlflow_client import Tracking
from workloads.registry.selection import BestRun, select_best_run
from workloads.release import earlier, tags
from workloads.release import model as models
from workloads.release.store import ReleaseStore
from workloads.signing import packing
from workloads.signing.inputs import NotVerifiedError
from workloads.signing.keys import PublicKey, Signer, load
from workloads.signing.layout import Layout
from workloads.signing.staging import written
from workloads.signing.verification import Verified, verify


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The order for a release: the best run by a metric, the model's name, and a scratch directory."""

    experiment_name: str
    metric: str
    maximize: bool
    model_name: str
    work_dir: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Released:
    """The result of a release, small enough for a pod's termination message (4096 bytes)."""

    run_id: str
    experiment: str
    metric: str
    value: float
    model: str
    version: str
    archive: str
    sha256: str
    key: str
    key_version: int
    verified: bool
    seconds: float

    def to_json(self) -> str:
        """Return the result as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))


def release(order: Order, tracking: Tracking, signer: Signer, store: ReleaseStore) -> Released:
    """Select, package, sign, verify, upload and register.

    Raises:
        WorkloadError: A service is dead, no run qualifies, the archive doesn't verify, or the model's version was
            released with other bytes. Nothing is registered then.
    """
    started = time.monotonic()
    store.check()
    best = select_best_run(tracking, order.experiment_name, order.metric, maximize=order.maximize)
    _say(f"the best run is {best.run_id}: {best.metric} = {best.value:g}")
    model = models.find(tracking, best.run_id)
    with _scratch(order.work_dir) as scratch:
        model_dir = scratch / "files" / order.model_name
        models.download(tracking, model, model_dir)
        earlier.require_same_files(model_dir, models.version_of(tracking, model, order.model_name), model, store)
        layout = Layout(scratch / "signed" / "model.tar.gz")
        layout.archive.parent.mkdir()
        signed = _signed(layout, model_dir, dataclasses.asdict(best) | model.identity, signer)
        folder, signed = _published(layout, signed, store, order.model_name)
    uris = {path.name: store.uri(folder, path.name) for path in (layout.archive, layout.manifest, layout.bundle)}
    version = models.register(tracking, model, order.model_name, tags.of(layout, signed, uris))
    _say(f"registered as {order.model_name} version {version}")
    return _result(best, signed, order.model_name, version, uris[layout.archive.name], time.monotonic() - started)


@contextlib.contextmanager
def _scratch(work_dir: Path) -> Iterator[Path]:
    with written(work_dir):
        work_dir.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="release-", dir=work_dir))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _signed(layout: Layout, model_dir: Path, source: Mapping[str, Any], signer: Signer) -> Verified:
    manifest = packing.package_and_sign(model_dir, layout.archive, source, signer)
    shutil.rmtree(model_dir)
    verified = verify(layout.archive, _exported_keys(layout))
    _say(f"packaged, signed and verified: {len(manifest.files)} files, {manifest.archive_size} bytes")
    return verified


def _published(layout: Layout, signed: Verified, store: ReleaseStore, name: str) -> tuple[str, Verified]:
    """Upload the archive and its signatures, unless an earlier attempt did and they still verify.

    Returns their folder and its verified content. Another model with the same bytes keeps its folder and manifest.
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
    """Verify the stored signatures of the same archive; return None if they are incomplete or don't verify."""
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
        verified = verify(stored.archive, _exported_keys(layout))
    except NotVerifiedError:
        return None
    return verified if earlier.same_model(verified.manifest.source, signed.manifest.source) else None


def _exported_keys(layout: Layout) -> list[PublicKey]:
    return [load(path) for path in sorted(layout.archive.parent.glob("cosign-v*.pub"))]


def _result(best: BestRun, signed: Verified, name: str, version: str, uri: str, seconds: float) -> Released:
    return Released(
        run_id=best.run_id,
        experiment=best.experiment,
        metric=best.metric,
        value=best.value,
        model=name,
        version=version,
        archive=uri,
        sha256=signed.manifest.archive_sha256,
        key=signed.signed_by.name,
        key_version=signed.signed_by.version,
        verified=True,
        seconds=round(seconds, 1),
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
