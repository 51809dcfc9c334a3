import hashlib
import os
import signal
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from workloads.backup import interruption
from workloads.backup import upload as uploads
from workloads.backup.upload import upload
from workloads.cli import WorkloadError

MEGABYTE = 1024 * 1024
# The smallest that S3 allows; the parts of a backup are larger.
SMALL_PART = 5 * MEGABYTE
CREATED = b"<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>"


class _Raw:
    """The body of an answer, with the interface of urllib3."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


class Discarding:
    """An S3 server behind a real client; it hashes the parts and discards them."""

    def __init__(self, fail_at_part: int | None = None) -> None:
        self.digest = hashlib.sha256()
        self.parts: list[int] = []
        self.completed = False
        self.aborted = False
        self._fail_at_part = fail_at_part
        self.client: Any = boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url="http://store",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}),
        )
        self.client.meta.events.register("before-send.s3", self._answer)

    def _answer(self, request: AWSRequest, **_: Any) -> AWSResponse:
        query = parse_qs(urlsplit(str(request.url)).query, keep_blank_values=True)
        status, body, headers = 200, b"", {}
        if "partNumber" in query:
            number = int(query["partNumber"][0])
            status = 403 if number == self._fail_at_part else 200
            self._take(request.body)
            headers = {"ETag": str(number)}
        elif request.method == "DELETE":
            self.aborted, status = True, 204
        elif "uploads" in query:
            body = CREATED
        else:
            self.completed = True
            body = b"<CompleteMultipartUploadResult/>"
        return AWSResponse(request.url, status, headers, _Raw(body))  # pyright: ignore[reportArgumentType] - a stand-in

    def _take(self, body: Any) -> None:
        size = 0
        while block := body.read(MEGABYTE):
            self.digest.update(block)
            size += len(block)
        self.parts.append(size)


class Source:
    """A stream of `size` bytes that ends with `failure` if given, and counts the bytes read."""

    def __init__(self, size: int, failure: Exception | None = None) -> None:
        self.digest = hashlib.sha256()
        self.given = 0
        self._size = size
        self._failure = failure

    def read(self, limit: int) -> bytes:
        block = (self.given // MEGABYTE).to_bytes(2, "big") * (min(limit, self._size - self.given) // 2 + 1)
        block = block[: min(limit, self._size - self.given)]
        if not block and self._failure:
            raise self._failure
        self.digest.update(block)
        self.given += len(block)
        return block


def send(server: Discarding, source: Source) -> None:
    with upload(server.client, "bucket", "key") as sending:
        sending(source.read)


def test_a_stream_arrives_whole_and_in_order_in_constant_memory() -> None:
    server, source = Discarding(), Source(200 * MEGABYTE + 1)

    tracemalloc.start()
    send(server, source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert source.given == 200 * MEGABYTE + 1
    assert server.digest.digest() == source.digest.digest()
    assert server.parts == [uploads.PART_SIZE] * 6 + [8 * MEGABYTE + 1]
    assert server.completed
    assert not server.aborted
    # Two parts, and a copy of the one that is put together.
    assert peak < 3 * uploads.PART_SIZE + 8 * MEGABYTE


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PART_SIZE", SMALL_PART)


@pytest.mark.usefixtures("small_parts")
def test_nothing_is_completed_when_the_source_fails() -> None:
    server = Discarding()

    with pytest.raises(RuntimeError, match="pg_dump died"):
        send(server, Source(SMALL_PART + 1, RuntimeError("pg_dump died")))

    assert server.aborted
    assert not server.completed


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("part", [1, 2, 3])
def test_nothing_is_completed_when_a_part_fails_and_the_rest_is_not_read(part: int) -> None:
    server, source = Discarding(fail_at_part=part), Source(10 * SMALL_PART)

    with pytest.raises(ClientError):
        send(server, source)

    assert server.aborted
    assert not server.completed
    assert source.given <= (part + 2) * SMALL_PART


@pytest.mark.usefixtures("small_parts")
def test_a_stream_over_the_number_of_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_PARTS", 2)
    server = Discarding()

    with pytest.raises(WorkloadError, match="larger than"):
        send(server, Source(3 * SMALL_PART))

    assert server.aborted
    assert not server.completed


@pytest.mark.usefixtures("small_parts")
def test_a_sigterm_aborts_the_upload_when_its_source_has_been_ended() -> None:
    server, killed = Discarding(), threading.Event()
    handler = signal.getsignal(signal.SIGTERM)

    def read(limit: int) -> bytes:
        if server.parts:
            os.kill(os.getpid(), signal.SIGTERM)
            killed.wait()
            raise RuntimeError("pg_dump was killed")
        return b"x" * limit

    def told_to_stop() -> None:
        with upload(server.client, "bucket", "key") as sending, ExitStack() as pg_dump:
            pg_dump.callback(killed.set)
            sending(read)

    try:
        interruption.clean_up_when_told_to_stop()
        with pytest.raises(SystemExit):
            told_to_stop()
    finally:
        signal.signal(signal.SIGTERM, handler)

    assert server.aborted
    assert not server.completed
