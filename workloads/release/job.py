"""Release the best run, or a given one, from end to end.

Each step can be repeated, so a restarted Job makes no second version and no second archive.
"""

import contextlib
import dataclasses
import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aegis.errors import NotVerifiedError
from aegis.manifest import Manifest
from workloads import logs
from workloads.mlflow_client import Tracking
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import nominate
from workloads.registry.selection import BestRun, select_best_run, select_run
from workloads.release import model as models
from workloads.release.publication import Publication, Publisher
from workloads.release.store import ReleaseStore
from workloads.signing.keys import Signer
from workloads.signing.staging import written


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The order for a release: the best run by a metric, the model's name, and a scratch directory.

    With `run_id`, that run of the experiment is released in place of the best one.
    """

    experiment_name: str
    metric: str
    maximize: bool
    model_name: str
    work_dir: Path
    run_id: str | None = None


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
    """Select, package, sign, verify, upload, register and nominate.

    Raises:
        WorkloadError: A service is dead, no run qualifies, the archive doesn't verify, or the model's version was
            released with other bytes. Nothing is registered then.
        NotVerifiedError: The records of the model's decisions don't verify. The version is registered then, but not
            nominated.
    """
    started = time.monotonic()
    store.check()
    run = _chosen(order, tracking)
    logs.about_job(run_id=run.run_id, model=order.model_name)
    model = models.find(tracking, run.run_id)
    with _scratch(order.work_dir) as scratch:
        publisher = Publisher(tracking=tracking, signer=signer, store=store, scratch=scratch)
        published = publisher.publish(model, order.model_name, dataclasses.asdict(run) | model.identity)
    manifest = published.signed.manifest
    _nominate(order.model_name, published.version, tracking, signer, store, manifest)
    return _result(run, published, order.model_name, time.monotonic() - started)


def _chosen(order: Order, tracking: Tracking) -> BestRun:
    if order.run_id:
        return select_run(tracking, order.experiment_name, order.run_id, order.metric)
    best = select_best_run(tracking, order.experiment_name, order.metric, maximize=order.maximize)
    _say(f"the best run is {best.run_id}: {best.metric} = {best.value:g}")
    return best


@contextlib.contextmanager
def _scratch(work_dir: Path) -> Iterator[Path]:
    with written(work_dir):
        work_dir.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="release-", dir=work_dir))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _nominate(
    model: str, version: str, tracking: Tracking, signer: Signer, store: ReleaseStore, manifest: Manifest
) -> None:
    """Make the version the candidate by a signed decision, unless it is that already."""
    trusted = tuple(signer.key_ring().versions.values())
    ledger = Ledger(model=model, tracking=tracking, store=store, signer=signer, trusted=trusted)
    try:
        outcome = nominate(ledger, version, reason="released", manifest=manifest)
    except NotVerifiedError as error:
        raise NotVerifiedError(
            f"{model} version {version} is signed and registered, but is not the candidate yet: {error}. Then release "
            f"it again, or run `python -m workloads.registry nominate {shlex.quote(model)} {version}`"
        ) from error
    _say(f"{model} version {version} is the candidate{f': {outcome.record_uri}' if outcome.moved else ' already'}")


def _result(run: BestRun, published: Publication, name: str, seconds: float) -> Released:
    signed = published.signed
    return Released(
        run_id=run.run_id,
        experiment=run.experiment,
        metric=run.metric,
        value=run.value,
        model=name,
        version=published.version,
        archive=published.archive,
        sha256=signed.manifest.archive_sha256,
        key=signed.signed_by.name,
        key_version=signed.signed_by.version,
        verified=True,
        seconds=round(seconds, 1),
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
