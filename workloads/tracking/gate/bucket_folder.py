"""Artifacts in a bucket, read with the S3 client with which the tracking server serves them."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final

from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from workloads.tracking.gate import bucket_page
from workloads.tracking.gate.listing import Listing, StoredFile

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class BucketFolder:
    """A folder in a bucket; every method raises botocore's errors.

    S3 sends its clock in the header `Date`. A proxy may drop it: then no listing counts as settled, and the files are
    read for each check.
    """

    bucket: str
    prefix: str

    def list(self) -> Listing:
        """List all objects, with one request for each thousand."""
        pages = list(self._pages())
        entries = [entry for page in pages for entry in page.get("Contents", ()) if not _is_folder(entry)]
        return Listing(
            files=tuple(
                StoredFile(
                    path=entry["Key"].removeprefix(self.prefix),
                    size=entry["Size"],
                    change=(entry["ETag"], entry["LastModified"].isoformat()),
                )
                for entry in entries
            ),
            changed=max((entry["LastModified"].timestamp() for entry in entries), default=0),
            taken=_sent_at(pages[0]),
        )

    def sha256(self, file: StoredFile) -> str:
        """Return the SHA-256 of an object in hex, in constant memory.

        Raises:
            ClientError: The object is missing, or isn't the listed one any more.
        """
        digest = hashlib.sha256()
        key = f"{self.prefix}{file.path}"
        answer = self._client.get_object(Bucket=self.bucket, Key=key, IfMatch=str(file.change[0]), **self._owner)
        with closing(answer["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def _pages(self) -> Iterator[dict[str, Any]]:
        following: dict[str, str] = {}
        while True:
            client = self._client
            request = {"Bucket": self.bucket, "Prefix": self.prefix, **following, **self._owner}
            page = bucket_page.page(client, request) or client.list_objects_v2(**request)
            yield page
            if not page.get("IsTruncated"):
                return
            following = {"ContinuationToken": page["NextContinuationToken"]}

    @property
    def _client(self) -> Any:  # noqa: ANN401 - boto3 makes the client's class at run time
        # Its client keeps connections, and is replaced every five minutes.
        return _repository(self.bucket)._get_s3_client()  # noqa: SLF001 - MLflow has no public function for it

    @property
    def _owner(self) -> dict[str, str]:
        return _repository(self.bucket)._bucket_owner_params  # noqa: SLF001 - the same


@lru_cache(maxsize=8)
def _repository(bucket: str) -> S3ArtifactRepository:
    return S3ArtifactRepository(f"s3://{bucket}")


def _sent_at(page: dict[str, Any]) -> float:
    """Return when S3 sent an answer, in seconds since 1970, or 0 if the answer doesn't say it."""
    try:
        return parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, ValueError):
        return 0


def _is_folder(entry: dict[str, Any]) -> bool:
    """Return whether an object only marks a folder; MLflow's clients skip it."""
    return entry["Key"].endswith("/") and entry["Size"] == 0
