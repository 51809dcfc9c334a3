"""The release from end to end.

Each step can be done again, so a Job that is started again makes no second version and no second archive.
"""

import dataclasses
import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from workloads.registry.selection import BestRun, select_best_run
from workloads.release import model as models
from workloads.release import tags
from workloads.release.store import ReleaseStore
from workloads.signing import packing
from workloads.signing.errors import NotVerifiedError
from workloads.signing.keys import PublicKey, load
from workloads.signing.layout import Layout
from workloads.signing.signer import Signer
from workloads.signing.verification import Verified, verify
from workloads.tracking_server import Tracking


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What to release: the best run by a metric, under a model's name, in a scratch directory."""

    experiment_name: str
    metric: str
    maximize: bool
    model_name: str
    work_dir: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Released:
    """What was released; small enough for a pod's termination message (4096 bytes)."""

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
        WorkloadError: A service is dead, no run qualifies, or the archive doesn't verify. Nothing is registered then.
    """
    started = time.monotonic()
    store.check()
    best = select_best_run(tracking, order.experiment_name, order.metric, maximize=order.maximize)
    _say(f"the best run is {best.run_id}: {best.metric} = {best.value:g}")
    model = models.find(tracking, best.run_id)
    order.work_dir.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="release-", dir=order.work_dir))
    try:
        model_dir = scratch / order.model_name
        models.download(tracking, model, model_dir)
        layout = Layout(scratch / "signed" / "model.tar.gz")
        layout.archive.parent.mkdir()
        signed = _signed(layout, model_dir, best, signer)
        folder = store.folder(order.model_name, signed.manifest.archive_sha256)
        signed = _published(layout, signed, store, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    uris = {path.name: store.uri(folder, path.name) for path in (layout.archive, layout.manifest, layout.bundle)}
    version = models.register(tracking, model, order.model_name, tags.of(layout, signed, uris))
    _say(f"registered as {order.model_name} version {version}")
    return _result(best, signed, order.model_name, version, uris[layout.archive.name], time.monotonic() - started)


def _signed(layout: Layout, model_dir: Path, best: BestRun, signer: Signer) -> Verified:
    manifest = packing.package_and_sign(model_dir, layout.archive, dataclasses.asdict(best), signer)
    shutil.rmtree(model_dir)
    verified = verify(layout.archive, _exported_keys(layout))
    _say(f"packaged, signed and verified: {len(manifest.files)} files, {manifest.archive_size} bytes")
    return verified


def _published(layout: Layout, signed: Verified, store: ReleaseStore, folder: str) -> Verified:
    """Upload the archive and its signatures, unless they are there already from an earlier attempt and still good."""
    if released := _released(layout, signed, store, folder):
        _say("the same archive is in the object store already, and its signatures are good")
        return released
    public_keys = [Path(key.name) for key in _exported_keys(layout)]
    store.upload(folder, [layout.archive, *public_keys, *layout.signatures, layout.manifest])
    _say(f"uploaded to {store.uri(folder, layout.archive.name)}")
    return signed


def _released(layout: Layout, signed: Verified, store: ReleaseStore, folder: str) -> Verified | None:
    """Verify what the store has beside the same archive; None where it is incomplete or not good."""
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
        return verify(stored.archive, _exported_keys(layout))
    except NotVerifiedError:
        return None


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
