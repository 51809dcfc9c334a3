"""A multipart upload of a stream whose length nobody knows yet: constant memory, and nothing visible before its end.

S3 shows an object only once its upload is completed, so a dump that breaks off leaves no object at all.
"""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from contracts import Exit
from workloads.cli import WorkloadError

# One part is read while the one before is sent: two are in memory.
PART_SIZE = 32 * 1024 * 1024
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS = 10_000

_log = logging.getLogger(__name__)


class MultipartUpload:
    """Writes `key` part by part; leaving the context completes it, an exception aborts it."""

    def __init__(self, client: BaseClient, bucket: str, key: str) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": key}
        self._buffer = bytearray()
        self._parts: list[dict[str, Any]] = []
        self._sending: Future[None] | None = None
        self._sender = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> Self:
        created = self._client.create_multipart_upload(**self._object, ContentType="application/octet-stream")
        self._upload = self._object | {"UploadId": created["UploadId"]}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._abort()
            return
        try:
            if self._buffer or not self._parts:
                self._flush()
            self._wait()
            self._client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})
        except BaseException:
            self._abort()
            raise
        self._sender.shutdown()

    def write(self, block: bytes) -> None:
        """Append `block`.

        Raises:
            WorkloadError: The stream is longer than S3's number of parts allows.
        """
        self._buffer += block
        if len(self._buffer) >= PART_SIZE:
            self._flush()

    def _flush(self) -> None:
        self._wait()
        number = len(self._parts) + 1
        if number > MAX_PARTS:
            limit = MAX_PARTS * PART_SIZE // 1024**3
            raise WorkloadError(f"the dump is larger than {limit} GiB, the limit of one upload.", Exit.OBJECT_STORE)
        self._sending = self._sender.submit(self._send, number, self._buffer)
        self._buffer = bytearray()

    def _send(self, number: int, body: bytearray) -> None:
        answer = self._client.upload_part(**self._upload, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def _wait(self) -> None:
        if self._sending is not None:
            self._sending.result()

    def _abort(self) -> None:
        # A part that is still on its way would outlive the abort and be paid for.
        self._sender.shutdown(wait=True, cancel_futures=True)
        try:
            self._client.abort_multipart_upload(**self._upload)
        except (BotoCoreError, ClientError) as error:
            # What broke the upload is worth more to the reader than this; prune removes the parts later.
            _log.warning("the upload of %s could not be aborted: %s", self._object["Key"], error)
