"""The check of one version: its evidence against the trusted keys, then its files against the evidence."""

import hmac
import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from aegis import evidence, files
from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from aegis.manifest import Manifest
from aegis.trust import trusted_keys
from contracts import Env
from workloads.tracking.gate import seal
from workloads.tracking.gate.listing import ArtifactFolder, Listing
from workloads.tracking.gate.location import check_paths, locate
from workloads.tracking.gate.readings import Readings, for_each
from workloads.tracking.gate.refusal import RefusedError, Remedy, UnfinishedError
from workloads.tracking.gate.subject import SEAL_TAG, Subject

_logger: Final = logging.getLogger(__name__)

# A file that versitygw is receiving: it lists it under this name until the file is whole.
_UPLOAD: Final = re.compile(r"(?:.*/)?\.[^/]+\.sgwtmp\.[0-9]+", re.DOTALL)

# Keeps a seal for the next check.
Keep = Callable[[str], None]


class Gate:
    """Checks versions; one object serves all threads of a process."""

    def __init__(self, readings: Readings | None = None, sealer: seal.Sealer | None = None) -> None:
        self._readings = readings or Readings()
        self._sealer = sealer or seal.from_environment()

    def check(self, subject: Subject, keep: Keep) -> None:
        """Return if a trusted key signed the version for its model and its run, and its files are those.

        Files that are as they were when this server last read them are only listed. Otherwise they are read, and `keep`
        gets the new seal.

        Raises:
            RefusedError: It doesn't verify, or can't be checked.
            UnfinishedError: The files take long to read, or their store doesn't answer.
        """
        checked = _checked(subject, _keys())
        folder = locate(subject.location)
        try:
            self._check_files(subject, checked, folder, keep)
        except NotVerifiedError as error:
            raise RefusedError(str(error), Remedy.RESTORE) from error
        except ClientError as error:
            raise _store_failure(error) from error
        except (BotoCoreError, OSError) as error:
            raise UnfinishedError(f"its files can't be read: {error}") from error

    def _check_files(self, subject: Subject, checked: "_Checked", folder: ArtifactFolder, keep: Keep) -> None:
        listing = folder.list()
        _check_uploads(checked.manifest, listing)
        files.check_listing(checked.manifest, listing.sizes)
        check_paths(subject.location, listing.sizes)
        expected = self._sealer.seal(subject, checked.content_sha256, listing.fingerprint)
        if hmac.compare_digest(subject.tags.get(SEAL_TAG, "").encode(), expected.encode()):
            return

        def read() -> None:
            _read(checked.manifest, folder, listing)
            if listing.settled:
                _keep(keep, expected)

        self._readings.wait(expected, read, remember=listing.settled)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Checked:
    manifest: Manifest
    content_sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """All on which the answer about the evidence depends; the rest is what the check is given."""

    evidence: str
    name: str
    run_id: str | None
    keys: tuple[str, ...]
    subject: Subject = field(compare=False)
    trusted: Sequence[PublicKey] = field(compare=False)


def _keys() -> Sequence[PublicKey]:
    """Read the keys, for each check: they are small, and a key that was taken out must count no more."""
    try:
        return trusted_keys(os.environ.get(Env.TRUSTED_KEYS))
    except (ValueError, OSError) as error:
        reason = f"the tracking server has no trusted key ({str(error).rstrip('.')})"
        raise RefusedError(reason, Remedy.ASK) from error


def _checked(subject: Subject, trusted: Sequence[PublicKey]) -> _Checked:
    try:
        return _check_evidence(
            _Question(
                evidence=evidence.digest(subject.tags),
                name=subject.name,
                run_id=subject.run_id or None,
                keys=tuple(key.fingerprint for key in trusted),
                subject=subject,
                trusted=trusted,
            )
        )
    except NotVerifiedError as error:
        raise RefusedError(str(error).rstrip("."), Remedy.SIGN) from error


# A manifest may have 16 MiB, so few are kept. Failures aren't.
@lru_cache(maxsize=64)
def _check_evidence(question: _Question) -> _Checked:
    manifest = evidence.check(question.subject, question.trusted).manifest
    return _Checked(manifest=manifest, content_sha256=manifest.content_sha256)


def _check_uploads(manifest: Manifest, listing: Listing) -> None:
    signed = {file.path for file in manifest.files}
    if any(file.path not in signed and _UPLOAD.fullmatch(file.path) for file in listing.files):
        raise UnfinishedError("a file is being uploaded to its folder")


def _read(manifest: Manifest, folder: ArtifactFolder, listing: Listing) -> None:
    signed = {file.path: file for file in manifest.files}
    for_each(listing.files, lambda file: files.check_digest(signed[file.path], folder.sha256(file)))
    if folder.list().fingerprint != listing.fingerprint:
        raise UnfinishedError("its files were changed while they were read")


def _keep(keep: Keep, new: str) -> None:
    try:
        keep(new)
    except Exception:  # the seal only saves time, so a version that verifies passes without it
        _logger.warning("A seal can't be kept; the next check reads the files again.", exc_info=True)


def _store_failure(error: ClientError) -> RefusedError | UnfinishedError:
    answer = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "unknown error")
    if answer == HTTPStatus.PRECONDITION_FAILED:
        return UnfinishedError("its files were changed while they were read")
    if HTTPStatus.BAD_REQUEST <= answer < HTTPStatus.INTERNAL_SERVER_ERROR:
        return RefusedError(f"the object store refuses to show its files ({code})", Remedy.ASK)
    return UnfinishedError(f"the object store doesn't answer ({code})")
