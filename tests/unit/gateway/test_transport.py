"""The transport speaks HTTP/1.1 as httpx's own does, also to servers that don't."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from workloads.gateway.transport import Transport

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def talk(answering: Answering, asking: Callable[[httpx.AsyncClient, str], Awaitable[Any]]) -> Any:
    """Return what a client gets from a server that writes whatever bytes it likes."""

    async def run() -> Any:
        async with await asyncio.start_server(answering, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with httpx.AsyncClient(transport=Transport(connections=2, kept=2)) as client:
                return await asking(client, f"http://127.0.0.1:{port}/")

    return asyncio.run(run())


def writing(*answers: bytes, close: bool = False) -> Answering:
    """Return a server that answers the requests of each connection with `answers` in turn."""

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        if close:
            writer.close()

    return answering


async def get(client: httpx.AsyncClient, url: str) -> httpx.Response:
    return await client.get(url)


@pytest.mark.parametrize(
    ("answer", "close"),
    [
        (OK, False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\nok", True),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, False),
    ],
    ids=["length", "chunks", "until the end", "after hints"],
)
def test_an_answer_is_read_however_it_is_framed(answer: bytes, *, close: bool) -> None:
    response = talk(writing(answer, close=close), get)
    assert (response.status_code, response.text) == (200, "ok")


@pytest.mark.parametrize(
    "answer",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", b""],
    ids=["no HTTP", "short", "none"],
)
def test_a_broken_answer_is_an_error(answer: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        talk(writing(answer, close=True), get)


def test_a_connection_is_used_again() -> None:
    connections: list[object] = []

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await writing(OK, OK, OK)(reader, writer)

    async def thrice(client: httpx.AsyncClient, url: str) -> list[str]:
        return [(await client.get(url)).text for _ in range(3)]

    assert talk(counting, thrice) == ["ok"] * 3
    assert len(connections) == 1


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    async def twice(client: httpx.AsyncClient, url: str) -> list[str]:
        first = (await client.get(url)).text
        await asyncio.sleep(0.05)
        return [first, (await client.get(url)).text]

    assert talk(writing(OK, close=True), twice) == ["ok", "ok"]


def test_a_body_of_unknown_length_is_sent_in_chunks() -> None:
    received: list[bytes] = []

    async def keeping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(OK)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    talk(keeping, lambda client, url: client.post(url, content=chunks()))
    assert received[0].endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_a_target_replaces_the_path_and_query_of_the_address() -> None:
    received: list[bytes] = []

    async def keeping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    talk(keeping, lambda client, url: client.get(url, extensions={"target": b"/a%20b?c=d"}))
    assert received[0].startswith(b"GET /a%20b?c=d HTTP/1.1\r\n")


def test_waiting_has_its_limits() -> None:
    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    async def patient(client: httpx.AsyncClient, url: str) -> list[type[BaseException]]:
        timeout = httpx.Timeout(0.3, pool=0.1)
        answers = await asyncio.gather(*(client.get(url, timeout=timeout) for _ in range(3)), return_exceptions=True)
        return sorted((type(answer) for answer in answers), key=str)  # type: ignore[arg-type] - all are exceptions

    assert talk(silent, patient) == [httpx.PoolTimeout, httpx.ReadTimeout, httpx.ReadTimeout]


def test_a_server_that_is_not_there_is_an_error_of_the_connection() -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(transport=Transport(connections=1, kept=2)) as client:
            await client.get("http://127.0.0.1:1/")

    with pytest.raises(httpx.ConnectError):
        asyncio.run(ask())
