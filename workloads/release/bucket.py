"""The releases in a bucket."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from contracts import Exit
from workloads import aws
from workloads.cli import WorkloadError
from workloads.object_store import s3

# Streams a file of any size in some 32 MiB of memory; S3 takes at most 10,000 parts, 160 GB with this size.
_TRANSFER = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=2)
_MISSING = {"404", "NoSuchKey", "NotFound"}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_EXISTS: Final = {"412", "PreconditionFailed"}
# Another conditional write of the same key is under way, and S3 asks for a retry.
_BUSY: Final = {"409", "ConditionalRequestConflict"}
_BUSY_ATTEMPTS: Final = 20
_BUSY_SECONDS: Final = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A `ReleaseStore` in an S3 bucket."""

    bucket: str
    client: Any

    @classmethod
    def connect(cls, bucket: str) -> Self:
        """Return the bucket at the object store of boto3's environment variables."""
        try:
            return cls(bucket=bucket, client=s3.connect())
        # boto3 raises ValueError for an invalid address.
        except (*s3.ERRORS, ValueError) as error:
            raise s3.failure(bucket, error) from error

    def folder(self, model: str, sha256: str, owner: str | None = None) -> str:
        """Return the prefix of a release's keys; `owner` separates releases of the same bytes by different models."""
        return f"{model}/{sha256}-{owner}" if owner else f"{model}/{sha256}"

    def folders(self, model: str) -> Iterator[str]:
        """Return the prefixes of all releases of a model."""
        with self._errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{model}/", Delimiter="/"
            )
            for page in pages:
                for entry in page.get("CommonPrefixes", []):
                    yield entry["Prefix"].rstrip("/")

    def names(self, folder: str, after: str = "") -> Iterator[str]:
        """Return the sorted names of the files in a folder, from the one that follows `after`."""
        prefix = f"{folder}/"
        with self._errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, Delimiter="/", StartAfter=f"{prefix}{after}"
            )
            for page in pages:
                yield from (entry["Key"].removeprefix(prefix) for entry in page.get("Contents", []))

    def uri(self, folder: str, name: str) -> str:
        """Return the S3 address of a file."""
        return f"s3://{self.bucket}/{folder}/{name}"

    def check(self) -> None:
        """Ask for the bucket, to find a dead object store before the work starts."""
        with self._errors():
            self.client.head_bucket(Bucket=self.bucket)

    def size(self, folder: str, name: str) -> int | None:
        """Return the size of a stored file in bytes, or None if it is missing."""
        with self._errors():
            try:
                return self.client.head_object(Bucket=self.bucket, Key=f"{folder}/{name}")["ContentLength"]
            except ClientError as error:
                if aws.code(error) in _MISSING:
                    return None
                raise

    def read(self, folder: str, name: str, most: int | None = None) -> bytes | None:
        """Return the content of a small stored file, at most its first `most` bytes, or None if it is missing."""
        with self._errors():
            try:
                return self.client.get_object(Bucket=self.bucket, Key=f"{folder}/{name}")["Body"].read(most)
            except ClientError as error:
                if aws.code(error) in _MISSING:
                    return None
                raise

    def create(self, folder: str, name: str, content: bytes) -> bool:
        """Write a small file unless one of that name exists; return whether this call wrote it.

        Of concurrent calls, S3 lets exactly one write.
        """
        with self._errors():
            for _ in range(_BUSY_ATTEMPTS):
                try:
                    self.client.put_object(Bucket=self.bucket, Key=f"{folder}/{name}", Body=content, IfNoneMatch="*")
                except ClientError as error:
                    if aws.code(error) in _BUSY:
                        time.sleep(_BUSY_SECONDS)
                        continue
                    if aws.code(error) not in _EXISTS:
                        raise
                    # boto3 repeats a request whose answer was lost, and then finds the object of its first attempt.
                    return self.read(folder, name, len(content) + 1) == content
                return True
        raise WorkloadError(f"{self.uri(folder, name)} is being written by others all the time.", Exit.OBJECT_STORE)

    def upload(self, folder: str, files: Sequence[Path]) -> None:
        """Upload `files` in order, each completely or not at all."""
        for path in files:
            with self._errors():
                self.client.upload_file(str(path), self.bucket, f"{folder}/{path.name}", Config=_TRANSFER)
            if self.size(folder, path.name) != path.stat().st_size:
                raise WorkloadError(f"{self.uri(folder, path.name)} was not stored completely.", Exit.OBJECT_STORE)

    def download(self, folder: str, path: Path) -> None:
        """Download the file of the same name to `path`."""
        with self._errors():
            self.client.download_file(self.bucket, f"{folder}/{path.name}", str(path), Config=_TRANSFER)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except s3.ERRORS as error:
            raise s3.failure(self.bucket, error) from error
