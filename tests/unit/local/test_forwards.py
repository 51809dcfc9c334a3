"""The ports of localhost lead to the servers in the cluster, whatever address these have today."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from local import forwards, stacks
from local.cluster.layout import Layout, Network
from local.errors import LocalError
from local.forwards import serve
from local.forwards.plan import HOST, Forward, Plan, read

BYTES = bytes(range(256)) * 4096


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer only when the client is done sending, as a server may."""
    everything = await reader.read()
    writer.write(everything)
    await writer.drain()
    writer.close()


async def forwarded(ask: Callable[[int], Coroutine[Any, Any, bytes]], upstream_port: int) -> bytes:
    forward = Forward(port=free_port(), namespace="mlflow", service="mlflow", service_port=upstream_port)
    task = asyncio.create_task(serve._to_service(Plan(forwards=(forward,), name_server="127.0.0.1"), forward))
    try:
        for _ in range(100):
            try:
                return await ask(forward.port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
        raise AssertionError("nothing listens")
    finally:
        task.cancel()


async def send_and_read(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(BYTES)
    writer.write_eof()
    return await reader.read()


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def address(_plan: Plan, _forward: Forward) -> str:
        return HOST

    monkeypatch.setattr(serve, "_address", address)


@pytest.mark.usefixtures("found")
def test_what_a_client_sends_reaches_the_server_and_the_answer_comes_back() -> None:
    async def whole() -> bytes:
        server = await asyncio.start_server(echo, HOST, 0)
        return await forwarded(send_and_read, server.sockets[0].getsockname()[1])

    assert asyncio.run(whole()) == BYTES


def test_a_client_is_told_at_once_where_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    async def address(_plan: Plan, _forward: Forward) -> str:
        raise LookupError("there is no Service mlflow in the namespace mlflow")

    monkeypatch.setattr(serve, "_address", address)
    with pytest.raises(ConnectionError):
        asyncio.run(forwarded(send_and_read, 1))


def test_a_port_that_is_taken_is_refused_with_who_has_it_and_what_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    monkeypatch.setattr(forwards.layout, "load", lambda: Layout(block=Network("10.213.0.0/16")))
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        holder.listen()
        stack = stacks.Stack(name="local", ports={"mlflow": holder.getsockname()[1]})
        with pytest.raises(LocalError, match=r"which .* has: stop it, or name other ports in aegis:localhost"):
            forwards.start(stack, None, {})


def test_an_existing_cluster_is_reached_through_its_api_server() -> None:
    stack = stacks.Stack(name="local", ports={"mlflow": 5000, "vault": 8200})
    plan = forwards._plan(stack, "kind-aegis", {"KUBECONFIG": "/home/me/.kube/config", "PATH": "/usr/bin"})
    assert plan.context == "kind-aegis"
    assert [(each.port, each.namespace, each.service) for each in plan.forwards] == [
        (5000, "mlflow", "mlflow"),
        (8200, "vault", "vault"),
    ]


def test_the_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    forward = Forward(port=5000, namespace="mlflow", service="mlflow", service_port=5000)
    plan = Plan(forwards=(forward,), name_server="10.213.128.10", domain="cluster.local")
    (tmp_path / "plan.json").write_text(plan.text())
    assert read(tmp_path / "plan.json") == plan


def test_each_stack_that_runs_here_answers_at_the_usual_ports() -> None:
    usual = {"mlflow": 5000, "s3": 9000, "s3_console": 9001, "vault": 8200, "postgres": 15432}
    assert stacks.read("local").ports == usual
    assert stacks.read("ci").ports == {"mlflow": 5000, "vault": 8200}
    assert stacks.read("prod").ports == {}
