"""Read and write the releases bucket.

Its keys are `<model>/<SHA-256 of the archive>/<file>`. The manifest is written last, and a release without one doesn't
count.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from contracts import Env, Exit
from workloads import aws
from workloads.cli import WorkloadError, require_env
from workloads.object_store import s3

# Streams a file of any size in some 32 MiB of memory; S3 takes at most 10,000 parts, 160 GB with this size.
_TRANSFER = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=2)
_MISSING = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseStore:
    """The releases bucket; every method raises `WorkloadError` with `Exit.OBJECT_STORE` if the object store is dead."""

    bucket: str
    client: Any

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

    def read(self, folder: str, name: str) -> bytes | None:
        """Return the content of a small stored file, or None if it is missing."""
        with self._errors():
            try:
                return self.client.get_object(Bucket=self.bucket, Key=f"{folder}/{name}")["Body"].read()
            except ClientError as error:
                if aws.code(error) in _MISSING:
                    return None
                raise

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


def from_environment() -> ReleaseStore:
    """Return the store of the environment variables: the bucket's, and those of boto3."""
    bucket = require_env(Env.RELEASES_BUCKET, "the bucket of the releases")
    try:
        return ReleaseStore(bucket=bucket, client=s3.connect())
    # boto3 raises ValueError for an invalid address.
    except (*s3.ERRORS, ValueError) as error:
        raise s3.failure(bucket, error) from error
