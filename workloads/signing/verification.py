"""Verify an archive offline, in one pass and constant memory; extract nothing before all of it is verified.

First the small files are checked against the trusted keys, so that the manifest can be trusted. Then the archive is
read once, to compute its own digest and each file's.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from aegis import manifest as manifests
from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey, signer_of
from aegis.manifest import Manifest, SigningKey
from aegis.strict import decode
from workloads.signing import bundle, oms
from workloads.signing.archive import Progress, no_progress
from workloads.signing.extraction import Extraction, Nowhere
from workloads.signing.inputs import open_regular, problem, read_regular
from workloads.signing.layout import Layout
from workloads.signing.reader import PlainStream, contents
from workloads.signing.workers import Pool, Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """The model and run that a verifier requires; None allows any."""

    model: str | None = None
    run: str | None = None

    def check(self, manifest: Manifest) -> None:
        """Compare with the signed manifest, because another model's complete set of files, renamed, is signed too.

        Raises:
            NotVerifiedError: The archive is another model's or another run's.
        """
        for what, required, signed in (
            ("model", self.model, manifest.model),
            ("run", self.run, manifest.source.get("run_id")),
        ):
            if required is not None and signed != required:
                raise NotVerifiedError(f"it was signed as {what} {signed!r}, not {required!r}")


_ANY = Demand()


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A verified archive: the trusted `key` that signed it, its name in Vault as `signed_by`, and the duration."""

    archive: Path
    manifest: Manifest
    key: PublicKey
    signed_by: SigningKey
    seconds: float


def verify(
    archive: Path,
    trusted: Sequence[PublicKey],
    extract_to: Path | None = None,
    progress: Progress = no_progress,
    demand: Demand = _ANY,
) -> Verified:
    """Verify `archive` and every file beside it, and extract it to the directory `extract_to` if given.

    Raises:
        NotVerifiedError: Something is missing, changed, signed by none of `trusted`, or not what `demand` requires.
        WorkloadError: `extract_to` is not empty or can't be written.
    """
    started = time.monotonic()
    layout = Layout(archive)
    manifest, key, signed_by = check_signatures(layout, trusted)
    demand.check(manifest)
    with Extraction(extract_to) if extract_to else contextlib.nullcontext(Nowhere()) as target:
        with _open(archive, manifest) as stream:
            _check_content(stream, manifest, target, progress)
        target.finish()
    seconds = time.monotonic() - started
    return Verified(archive=archive, manifest=manifest, key=key, signed_by=signed_by, seconds=seconds)


def check_signatures(layout: Layout, trusted: Sequence[PublicKey]) -> tuple[Manifest, PublicKey, SigningKey]:
    """Check every file beside the archive; return the manifest, the trusted key that signed it, and its name in Vault.

    Raises:
        NotVerifiedError: A file is missing, was changed, or none of the `trusted` keys signed it.
    """
    content = _read(layout.manifest)
    key = _signer(layout, content, trusted)
    manifest = manifests.parse(content, layout.manifest.name)
    if manifest.key is None or manifest.key.fingerprint != key.fingerprint:
        raise NotVerifiedError(f"{layout.manifest.name} names a different key than the one that signed it, {key.name}")
    digest = bytes.fromhex(manifest.archive_sha256)
    name = layout.signature.name
    if not key.accepts(decode(_read(layout.signature), name), digest):
        raise NotVerifiedError(f"{name} is not a signature of {key.name} over the archive in the manifest")
    bundle.check(_read(layout.bundle), name=layout.bundle.name, key=key, digest=digest)
    oms.check(
        _read(layout.model_signature),
        name=layout.model_signature.name,
        key=key,
        model=manifest.model,
        files=manifest.files,
    )
    return manifest, key, manifest.key


def _signer(layout: Layout, content: bytes, trusted: Sequence[PublicKey]) -> PublicKey:
    name = layout.manifest_signature.name
    signature = decode(_read(layout.manifest_signature), name)
    if key := signer_of(signature, hashlib.sha256(content).digest(), trusted):
        return key
    names = ", ".join(key.name for key in trusted)
    raise NotVerifiedError(f"{layout.manifest.name} was changed or signed with another key than {names}")


@contextlib.contextmanager
def _open(archive: Path, manifest: Manifest) -> Iterator[BinaryIO]:
    with _readable(archive):
        stream = open_regular(archive)
    with stream:
        size = os.fstat(stream.fileno()).st_size
        if size != manifest.archive_size:
            raise NotVerifiedError(f"{archive.name} has {size} bytes, but {manifest.archive_size} were signed")
        yield stream


def _check_content(stream: BinaryIO, manifest: Manifest, target: Extraction | Nowhere, progress: Progress) -> None:
    whole = hashlib.sha256()
    digests = {file: hashlib.sha256() for file in manifest.files}
    with Worker("hash-archive") as archive_hasher, Worker("hash-files") as file_hasher:
        plain = PlainStream(_chunks(stream, archive_hasher, whole, manifest.archive_size, progress))
        for file, piece in contents(plain, manifest.files):
            file_hasher.do(partial(digests[file].update, piece))
            target.write(file, piece)
        archive_hasher.finish()
        file_hasher.finish()
    for file, digest in digests.items():
        if digest.hexdigest() != file.sha256:
            raise NotVerifiedError(f"{file.path} in the archive is not what was signed")
    plain.check_trailer()
    if whole.hexdigest() != manifest.archive_sha256:
        raise NotVerifiedError("the archive is not the one that was signed: its SHA-256 differs")


def _chunks(
    stream: BinaryIO, hasher: Worker, whole: "hashlib._Hash", total: int, progress: Progress
) -> Iterator[memoryview]:
    pool = Pool()
    done = 0
    while True:
        slab = pool.take()
        with _readable(Path(stream.name)):
            size = os.readv(stream.fileno(), [slab.view])
        if not size:
            return
        chunk = slab.view[:size]
        slab.share(2)
        hasher.do(partial(whole.update, chunk), slab.release)
        yield chunk
        slab.release()
        done += size
        progress(done, total)


def _read(path: Path) -> bytes:
    with _readable(path):
        return read_regular(path)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotVerifiedError(f"{path} is missing") from error
    except OSError as error:
        raise NotVerifiedError(problem(path, error)) from error
