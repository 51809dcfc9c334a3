"""The bucket of the releases: `<model>/<sha256 of the archive>/<file>`; the manifest comes last and makes it count."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from contracts import Env, Exit
from workloads import aws, credentials
from workloads.cli import WorkloadError, require_env
from workloads.object_store import s3

# Streams a file of any size in some 32 MiB of memory; S3 takes at most 10,000 parts, 160 GB with this size.
_TRANSFER = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=2)
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_MISSING = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseStore:
    """A bucket in an object store; every method raises a `WorkloadError` with `Exit.OBJECT_STORE` where it is dead."""

    bucket: str
    client: Any

    def folder(self, model: str, sha256: str, owner: str | None = None) -> str:
        """Return the prefix of a release's keys; `owner` tells it from another model's release of the same bytes."""
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
        """Return the address of a file."""
        return f"s3://{self.bucket}/{folder}/{name}"

    def check(self) -> None:
        """Ask for the bucket, so that a dead store is found out before the work."""
        with self._errors():
            self.client.head_bucket(Bucket=self.bucket)

    def size(self, folder: str, name: str) -> int | None:
        """Return the size of a stored file in bytes, None where there is none."""
        with self._errors():
            try:
                return self.client.head_object(Bucket=self.bucket, Key=f"{folder}/{name}")["ContentLength"]
            except ClientError as error:
                if aws.code(error) in _MISSING:
                    return None
                raise

    def read(self, folder: str, name: str) -> bytes | None:
        """Return the content of a small stored file, None where there is none."""
        with self._errors():
            try:
                return self.client.get_object(Bucket=self.bucket, Key=f"{folder}/{name}")["Body"].read()
            except ClientError as error:
                if aws.code(error) in _MISSING:
                    return None
                raise

    def upload(self, folder: str, files: Sequence[Path]) -> None:
        """Store `files` in their order, each one whole or not at all."""
        for path in files:
            with self._errors():
                self.client.upload_file(str(path), self.bucket, f"{folder}/{path.name}", Config=_TRANSFER)
            if self.size(folder, path.name) != path.stat().st_size:
                raise WorkloadError(f"{self.uri(folder, path.name)} was not stored whole.", Exit.OBJECT_STORE)

    def download(self, folder: str, path: Path) -> None:
        """Fetch the file that is named as `path`."""
        with self._errors():
            self.client.download_file(self.bucket, f"{folder}/{path.name}", str(path), Config=_TRANSFER)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except s3.ERRORS as error:
            raise s3.failure(self.bucket, error) from error


def from_environment() -> ReleaseStore:
    """Return the store that the environment names: the bucket's variable, and boto3's own."""
    credentials.settle(*_CREDENTIALS)
    bucket = require_env(Env.RELEASES_BUCKET, "the bucket of the releases")
    try:
        return ReleaseStore(bucket=bucket, client=s3.connect())
    # A ValueError is an address that is none.
    except (*s3.ERRORS, ValueError) as error:
        raise s3.failure(bucket, error) from error
