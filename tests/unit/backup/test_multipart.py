import hashlib
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from workloads.backup import multipart
from workloads.backup.multipart import PART_SIZE, MultipartUpload
from workloads.cli import WorkloadError

MEGABYTE = 1024 * 1024


class Discarding:
    """An S3 client that hashes what it gets and keeps nothing."""

    def __init__(self, fail_at_part: int | None = None) -> None:
        self.digest = hashlib.sha256()
        self.parts: list[int] = []
        self.completed: list[int] | None = None
        self.aborted = False
        self._fail_at_part = fail_at_part

    def create_multipart_upload(self, **_: Any) -> dict[str, str]:
        return {"UploadId": "one"}

    def upload_part(self, *, PartNumber: int, Body: bytearray, **_: Any) -> dict[str, str]:  # noqa: N803 - boto3's names
        if PartNumber == self._fail_at_part:
            raise ConnectionError("gone")
        self.digest.update(Body)
        self.parts.append(len(Body))
        return {"ETag": str(PartNumber)}

    def complete_multipart_upload(self, *, MultipartUpload: Any, **_: Any) -> None:  # noqa: N803
        self.completed = [part["PartNumber"] for part in MultipartUpload["Parts"]]

    def abort_multipart_upload(self, **_: Any) -> None:
        self.aborted = True


def send(client: Any, blocks: Iterable[bytes]) -> None:
    with MultipartUpload(client, "bucket", "key") as sink:
        for block in blocks:
            sink.write(block)


def test_a_stream_arrives_whole_and_in_order_in_constant_memory() -> None:
    client = Discarding()
    expected = hashlib.sha256()

    def source() -> Iterator[bytes]:
        for number in range(200):
            block = number.to_bytes(2, "big") * (MEGABYTE // 2)
            expected.update(block)
            yield block

    tracemalloc.start()
    send(client, source())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert client.digest.digest() == expected.digest()
    assert client.completed == list(range(1, 8))
    assert peak < 100 * MEGABYTE


def test_nothing_is_completed_when_the_source_fails() -> None:
    client = Discarding()

    def source() -> Iterator[bytes]:
        yield b"x" * (PART_SIZE + 1)
        raise RuntimeError("pg_dump died")

    with pytest.raises(RuntimeError, match="pg_dump died"):
        send(client, source())

    assert client.aborted
    assert client.completed is None


@pytest.mark.parametrize("part", [1, 2, 3])
def test_nothing_is_completed_when_a_part_fails(part: int) -> None:
    client = Discarding(fail_at_part=part)

    with pytest.raises(ConnectionError):
        send(client, [b"x" * PART_SIZE] * 3)

    assert client.aborted
    assert client.completed is None


def test_a_stream_over_the_number_of_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MAX_PARTS", 2)
    client = Discarding()

    with pytest.raises(WorkloadError, match="larger than"):
        send(client, [b"x" * PART_SIZE] * 3)

    assert client.aborted
