"""Deliver a version: download it, verify it, and move it into place only then."""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aegis import files, version
from aegis.keys import PublicKey
from aegis.registry import Reference
from aegis.version import SignedVersion
from contracts import Exit
from workloads import progress
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.services import PATIENT_ATTEMPTS
from workloads.serving.delivery import delivered, place
from workloads.serving.delivery.place import Place
from workloads.serving.server import requirements

# Seconds between two looks at the files that arrive.
_INTERVAL: Final = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """A version in the folder `model`; `downloaded` is false if it was there already."""

    model: Path
    signed: SignedVersion
    downloaded: bool


def deliver(
    reference: Reference,
    folder: Path,
    tracking: Tracking,
    trusted: Sequence[PublicKey],
    *,
    ignore_requirements: bool = False,
) -> Delivered:
    """Bring the version that `reference` names to `folder`, and return it; one that is there already is checked again.

    Raises:
        NotVerifiedError: It isn't signed by one of `trusted`, or its files aren't those that were signed.
        WorkloadError: MLflow or the artifact store is dead or refuses, this environment can't run the model, or
            `folder` can't be written or has another version.
    """
    signed = tracking.ask(lambda: version.find(tracking.client, reference, trusted), PATIENT_ATTEMPTS)
    with place.alone_in(folder) as here:
        was_there = here.is_delivered()
        if was_there:
            _check_again(here, signed)
        else:
            _download(here.scratch, signed, tracking)
        requirements.check(here.model if was_there else here.scratch, ignore=ignore_requirements)
        # Also for a version that was there: it may have been signed again, with another key.
        here.put_evidence(delivered.evidence_file(signed.registered))
        if not was_there:
            here.put_model()
    return Delivered(model=here.model, signed=signed, downloaded=not was_there)


def _check_again(here: Place, signed: SignedVersion) -> None:
    there, wanted = delivered.read(here.model), signed.registered
    if (there.name, there.version) != (wanted.name, str(wanted.version)):
        raise WorkloadError(
            f"{here.folder} has {there.name} version {there.version}: deliver {wanted.name} version {wanted.version} "
            "to another folder.",
            Exit.USAGE,
        )
    with version.naming(signed.registered):
        files.check_folder(signed.signed.manifest, here.model)


def _download(target: Path, signed: SignedVersion, tracking: Tracking) -> None:
    location = f"models:/{signed.registered.name}/{signed.registered.version}"
    repository = tracking.store(signed.listed, location)
    total = sum(file.size for file in signed.signed.manifest.files)
    with _shown(target, total):
        tracking.store(lambda: signed.fetch(repository, target), location)


@contextlib.contextmanager
def _shown(folder: Path, total: int) -> Iterator[None]:
    """Show the progress of a download on stderr: MLflow's client tells nothing, so the files are looked at."""
    finished = threading.Event()

    def look() -> None:
        with progress.bar("Downloading", total) as bar:
            while not finished.wait(_INTERVAL):
                bar.update(_size(folder) - bar.n)

    thread = threading.Thread(target=look, name="progress")
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _size(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            # A file that was renamed meanwhile is seen the next time.
            with contextlib.suppress(FileNotFoundError):
                size += Path(parent, name).lstat().st_size
    return size
