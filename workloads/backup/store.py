"""Read and write the backups bucket; every error of the object store becomes a WorkloadError."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from botocore.client import BaseClient
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

from contracts import Env, Exit
from workloads import aws
from workloads.backup import layout, manifest, proof
from workloads.backup.layout import Backup, State, StoredObject
from workloads.backup.manifest import Manifest, OtherFormatError
from workloads.backup.upload import BLOCK_SIZE, Read, upload
from workloads.cli import WorkloadError, require_env
from workloads.object_store import s3

LATEST = "latest"

# Parallel requests for the small objects of many backups.
_READERS = 8
# The object that records the reason for a claimed state.
_RECORDS = {State.VERIFIED: layout.VERIFIED, State.DAMAGED: layout.FAILED}
# Errors of a connection that ended in the middle of an object.
_BROKEN = (HTTPClientError, IncompleteReadError)


@dataclass(frozen=True, kw_only=True, slots=True)
class PinnedDump:
    """One version of a dump; reads fail once another object has replaced it."""

    key: str
    size: int
    etag: str
    version: str | None

    def where(self) -> dict[str, str]:
        """Return the request parameters that select this version."""
        version = {"VersionId": self.version} if self.version else {}
        return {"Key": self.key, "IfMatch": self.etag} | version


class BackupStore:
    """The backups under `prefix` of `bucket`.

    Every method raises `WorkloadError` with `Exit.OBJECT_STORE` if the object store is dead or refuses.
    """

    def __init__(self, bucket: str, prefix: str, client: BaseClient | None = None) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/") + "/"
        with self._errors():
            self._client = client or s3.connect()

    @classmethod
    def from_env(cls, prefix: str) -> "BackupStore":
        """Return the store of the environment variables that the stack sets."""
        return cls(require_env(Env.BACKUPS_BUCKET, "the bucket of the backups"), prefix)

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def backups(self) -> list[Backup]:
        """Return all backups, even half ones, oldest first, with the states that their manifests and records prove."""
        with ThreadPoolExecutor(max_workers=_READERS) as pool:
            return list(pool.map(self._judge, self._listed()))

    def find(self, backup_id: str) -> Backup:
        """Return the backup `backup_id`; `LATEST` is the newest one that counts and isn't known to be damaged.

        Raises:
            WorkloadError: There is no such backup, or it is incomplete.
        """
        backups = self._listed()
        if backup_id == LATEST:
            judged = map(self._judge, reversed(backups))
            usable = next((one for one in judged if one.state in (State.COMPLETE, State.VERIFIED)), None)
            if usable is None:
                raise WorkloadError(f"there is no complete backup under {self}.", Exit.NOT_VERIFIED)
            return usable
        for backup in backups:
            if backup.id == backup_id:
                if backup.state is State.HALF:
                    raise WorkloadError(f"{backup_id} is a half backup: it has no manifest.", Exit.NOT_VERIFIED)
                return self._judge(backup)
        raise WorkloadError(f"there is no backup {backup_id!r} under {self}: `list` shows them.", Exit.USAGE)

    def manifest(self, backup_id: str) -> Manifest:
        """Return the manifest of `backup_id`.

        Raises:
            WorkloadError: It is missing, can't be read, or is another backup's (`Exit.NOT_VERIFIED`).
        """
        name = f"s3://{self._bucket}/{self._key(backup_id, layout.MANIFEST)}"
        data = self._read(backup_id, layout.MANIFEST)
        if data is None:
            raise WorkloadError(f"{name} is missing.", Exit.NOT_VERIFIED)
        found = Manifest.from_json(data, name)
        if found.id != backup_id:
            raise WorkloadError(f"{name} is the manifest of {found.id!r}, another backup.", Exit.NOT_VERIFIED)
        return found

    def _listed(self) -> list[Backup]:
        with self._errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            objects = [
                StoredObject(key=entry["Key"].removeprefix(self._prefix), size=entry["Size"], etag=entry["ETag"])
                for page in pages
                for entry in page.get("Contents", ())
            ]
        return layout.group(objects)

    def _judge(self, backup: Backup) -> Backup:
        if backup.state is State.HALF:
            return backup
        try:
            own = self.manifest(backup.id)
        except OtherFormatError:
            return replace(backup, state=State.COMPLETE)
        except WorkloadError as error:
            if error.code is not Exit.NOT_VERIFIED:
                raise
            return replace(backup, state=State.DAMAGED)
        record = _RECORDS.get(backup.state)
        return proof.judge(backup, own, self._read(backup.id, record) if record else None)

    def _read(self, backup_id: str, name: str) -> bytes | None:
        """Return a small object, or the beginning of it if it is larger than any that we write."""
        with self._errors():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key(backup_id, name))
                return answer["Body"].read(manifest.LARGEST)
            except ClientError as error:
                if aws.code(error) == "NoSuchKey":
                    return None
                raise

    def commit(self, own: Manifest) -> None:
        """Write the manifest, which makes the backup count, without ever overwriting another."""
        target = {"Bucket": self._bucket, "Key": self._key(own.id, layout.MANIFEST)}
        data = own.to_json()
        with self._errors():
            try:
                self._client.put_object(**target, Body=data, ContentType="application/json", IfNoneMatch="*")
            except ClientError as error:
                # If an answer was lost, boto3's retry finds the manifest of its first attempt.
                if aws.code(error) != "PreconditionFailed" or self._client.get_object(**target)["Body"].read() != data:
                    raise

    def record(self, backup_id: str, name: str, data: bytes, *, instead_of: str) -> None:
        """Write the verification result `name` of a backup, then remove the other one."""
        with self._errors():
            self._client.put_object(
                Bucket=self._bucket, Key=self._key(backup_id, name), Body=data, ContentType="application/json"
            )
            self._client.delete_object(Bucket=self._bucket, Key=self._key(backup_id, instead_of))

    @contextmanager
    def upload_dump(self, backup_id: str) -> Iterator[Callable[[Read], None]]:
        """Yield a function that uploads a dump, see `upload.upload`."""
        with self._errors(), upload(self._client, self._bucket, self._key(backup_id, layout.DUMP)) as send:
            yield send

    def pin_dump(self, backup_id: str) -> PinnedDump:
        """Return the dump's current version."""
        key = self._key(backup_id, layout.DUMP)
        with self._errors():
            head = self._client.head_object(Bucket=self._bucket, Key=key)
        version = head.get("VersionId")
        return PinnedDump(
            key=key, size=head["ContentLength"], etag=head["ETag"], version=None if version == "null" else version
        )

    def read_dump(self, dump: PinnedDump) -> Iterator[bytes]:
        """Yield the bytes of the dump; resume a broken connection where it broke, a limited number of times."""
        position = failures = 0
        while position < dump.size:
            try:
                for block in self._range(dump, position):
                    yield block
                    position += len(block)
                    failures = 0
            except _BROKEN as error:
                failures += 1
                if failures >= s3.ATTEMPTS:
                    raise s3.failure(self._bucket, error) from error

    def _range(self, dump: PinnedDump, start: int) -> Iterator[bytes]:
        with self._errors(but=_BROKEN):
            answer = self._client.get_object(Bucket=self._bucket, Range=f"bytes={start}-", **dump.where())
            yield from answer["Body"].iter_chunks(BLOCK_SIZE)

    def delete(self, backup: Backup) -> None:
        """Delete a backup, its manifest first, so that an interrupted deletion leaves one that doesn't count."""
        with self._errors():
            for name in sorted(backup.objects, key=lambda one: one != layout.MANIFEST):
                self._client.delete_object(Bucket=self._bucket, Key=self._key(backup.id, name))

    def stale_uploads(self, before: datetime) -> list[tuple[str, str]]:
        """Return the (key, upload ID) of each upload from before `before`, whose process died without aborting it."""
        with self._errors():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            return [
                (entry["Key"], entry["UploadId"])
                for page in pages
                for entry in page.get("Uploads", ())
                if entry["Initiated"] < before
            ]

    def abort(self, key: str, upload: str) -> None:
        """Abort an upload and delete its parts."""
        with self._errors():
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)

    def _key(self, backup_id: str, name: str) -> str:
        return f"{self._prefix}{backup_id}/{name}"

    @contextmanager
    def _errors(self, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        try:
            yield
        except but:
            raise
        except s3.ERRORS as error:
            raise s3.failure(self._bucket, error) from error
