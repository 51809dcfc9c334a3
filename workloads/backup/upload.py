"""Upload a stream of unknown length in constant memory with boto3's managed transfer.

S3 shows an object only once its upload is completed, so a dump that breaks off leaves no object at all.

boto3's `upload_fileobj` is not enough: it reads the whole stream even when a part has failed, and it holds ten parts in
memory. So this calls s3transfer, which `upload_fileobj` wraps.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from botocore.client import BaseClient
from s3transfer.manager import TransferConfig, TransferManager

from contracts import Exit
from workloads.cli import WorkloadError

# In bytes. One part is read while the one before is sent: two are in memory.
PART_SIZE: Final = 32 * 1024 * 1024
BLOCK_SIZE: Final = 1024 * 1024
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS = 10_000

# Returns at most the given number of bytes, and none at the end. It is called in another thread.
Read = Callable[[int], bytes]


class _Stream:
    """The file that s3transfer reads."""

    def __init__(self, read: Read) -> None:
        self.is_over: Callable[[], bool] = lambda: False
        self._read = read
        self._size = 0

    def read(self, size: int = PART_SIZE) -> bytes:
        """Return the next `size` bytes, fewer only at the end.

        Raises:
            WorkloadError: The stream is longer than S3's number of parts allows.
            InterruptedError: The transfer has failed or was cancelled.
        """
        blocks: list[bytes] = []
        missing = size
        while missing:
            if self.is_over():
                raise InterruptedError("the upload is over")
            block = self._read(min(missing, BLOCK_SIZE))
            if not block:
                break
            blocks.append(block)
            missing -= len(block)
            self._count(len(block))
        return b"".join(blocks)

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MAX_PARTS * PART_SIZE:
            limit = MAX_PARTS * PART_SIZE // 1024**3
            raise WorkloadError(f"the dump is larger than {limit} GiB, the limit of one upload.", Exit.OBJECT_STORE)


@contextmanager
def upload(client: BaseClient, bucket: str, key: str) -> Iterator[Callable[[Read], None]]:
    """Yield a function that uploads to `key` everything that its argument reads; an error of that aborts the upload.

    An exception in the context aborts the upload too, but waits for the reading to end: end the source first.
    """
    config = TransferConfig(
        # One byte, so that a missing bucket is found at the beginning of a dump, not after its first part.
        multipart_threshold=1,
        multipart_chunksize=PART_SIZE,
        max_request_concurrency=1,
        max_in_memory_upload_chunks=1,
    )
    with TransferManager(client, config) as manager:

        def send(read: Read) -> None:
            stream = _Stream(read)
            transfer = manager.upload(stream, bucket, key, {"ContentType": "application/octet-stream"})
            stream.is_over = transfer.done
            transfer.result()

        yield send
