"""The ports of localhost lead to the servers in the cluster, even if their addresses change."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest
from dns.asyncquery import udp

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
    """Answer only after the client has finished sending, as a server may."""
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
def test_a_request_reaches_the_server_and_the_answer_returns() -> None:
    async def whole() -> bytes:
        server = await asyncio.start_server(echo, HOST, 0)
        return await forwarded(send_and_read, server.sockets[0].getsockname()[1])

    assert asyncio.run(whole()) == BYTES


def test_a_connection_without_a_server_is_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def address(_plan: Plan, _forward: Forward) -> str:
        raise LookupError("the namespace mlflow has no Service mlflow")

    monkeypatch.setattr(serve, "_address", address)
    with pytest.raises(ConnectionError):
        asyncio.run(forwarded(send_and_read, 1))


def test_a_used_port_is_refused_with_its_process_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    monkeypatch.setattr(forwards.layout, "load", lambda: Layout(block=Network("10.213.0.0/16")))
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        holder.listen()
        stack = stacks.Stack(name="local", ports={"mlflow": holder.getsockname()[1]})
        with pytest.raises(LocalError, match=r"which .* uses: stop it, or name other ports in aegis:localhost"):
            forwards.start(stack, None, {})


def test_an_existing_cluster_is_reached_through_its_api_server() -> None:
    stack = stacks.Stack(name="local", ports={"mlflow": 5000, "vault": 8200})
    plan = forwards._plan(stack, "kind-aegis", {"KUBECONFIG": "/home/me/.kube/config", "PATH": "/usr/bin"})
    assert plan.context == "kind-aegis"
    assert [(each.port, each.namespace, each.service) for each in plan.forwards] == [
        (5000, "mlflow", "mlflow"),
        (8200, "vault", "vault"),
    ]


def test_a_written_plan_is_read_back_unchanged(tmp_path: Path) -> None:
    forward = Forward(port=5000, namespace="mlflow", service="mlflow", service_port=5000)
    plan = Plan(forwards=(forward,), name_server="10.213.128.10", domain="cluster.local")
    (tmp_path / "plan.json").write_text(plan.text())
    assert read(tmp_path / "plan.json") == plan


def test_each_stack_on_this_machine_uses_the_default_ports() -> None:
    usual = {"mlflow": 5000, "gateway": 8080, "s3": 9000, "s3_console": 9001, "vault": 8200, "postgres": 15432}
    assert stacks.read("local").ports == usual
    assert stacks.read("ci").ports == {"mlflow": 5000, "gateway": 8080, "vault": 8200}
    assert stacks.read("prod").ports == {}


# Prints its pid and arguments and keeps running; if the file `ends` exists, it ends at once, like kubectl with its pod.
KUBECTL = """#!/bin/sh
echo "$$ $*" >> "$(dirname "$0")/started"
test -e "$(dirname "$0")/ends" || exec sleep 60
"""


@pytest.fixture
def kubectl(tmp_path: Path) -> Path:
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL)
    program.chmod(0o755)
    return tmp_path


def through_api_server(folder: Path) -> subprocess.Popen[bytes]:
    forward = Forward(port=free_port(), namespace="vault", service="vault", service_port=8200)
    plan = Plan(forwards=(forward,), context="kind-aegis", kubeconfig="/nowhere", path=f"{folder}:{os.environ['PATH']}")
    (folder / "plan.json").write_text(plan.text())
    return subprocess.Popen([sys.executable, "-m", "local.forwards.serve", f"--plan={folder / 'plan.json'}"])


def started(folder: Path, times: int) -> list[str]:
    """Return the arguments of each start of kubectl after it was started `times` times."""
    for _ in range(200):
        lines = (folder / "started").read_text().splitlines() if (folder / "started").exists() else []
        if len(lines) >= times:
            return lines
        time.sleep(0.05)
    raise AssertionError(f"kubectl was not started {times} times")


def is_gone(pid: int) -> bool:
    for _ in range(100):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_no_kubectl_outlives_the_process_that_forwards(kubectl: Path, end: signal.Signals) -> None:
    process = through_api_server(kubectl)
    [line] = started(kubectl, 1)
    process.send_signal(end)
    process.wait(timeout=10)
    assert is_gone(int(line.split()[0]))
    assert "--address=127.0.0.1 service/vault" in line


def test_kubectl_is_restarted_if_it_ends_with_its_pod(kubectl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_PAUSE", 0.01)
    (kubectl / "ends").touch()
    forward = Forward(port=free_port(), namespace="vault", service="vault", service_port=8200)
    path = f"{kubectl}:{os.environ['PATH']}"
    plan = Plan(forwards=(forward,), context="kind-aegis", kubeconfig="/nowhere", path=path)

    async def watch() -> list[str]:
        task = asyncio.create_task(serve._through_api_server(plan, forward))
        try:
            return await asyncio.to_thread(started, kubectl, 3)
        finally:
            task.cancel()

    assert len(asyncio.run(watch())) >= 3


class NameServer(asyncio.DatagramProtocol):
    """Answer each query with the next of some addresses, and then with none."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = iter(addresses)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        if address := next(self._addresses, None):
            answer.answer.append(dns.rrset.from_text(question.question[0].name, 30, "IN", "A", address))
        self._transport.sendto(answer.to_wire(), addr)


def test_a_service_is_looked_up_for_each_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Forward(port=5000, namespace="mlflow", service="mlflow", service_port=5000)
    plan = Plan(forwards=(forward,), name_server=HOST, domain="cluster.local")

    async def ask() -> list[str]:
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(lambda: NameServer("10.1.0.20", "10.1.0.99"), (HOST, 0))
        monkeypatch.setattr(serve, "udp", partial(udp, port=server.get_extra_info("sockname")[1]))
        found = [await serve._address(plan, forward) for _ in range(2)]
        with pytest.raises(LookupError, match="the namespace mlflow has no Service mlflow"):
            await serve._address(plan, forward)
        server.close()
        return found

    assert asyncio.run(ask()) == ["10.1.0.20", "10.1.0.99"]


def test_a_stack_file_can_set_other_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_FOLDER", tmp_path)
    (tmp_path / "Pulumi.mine.yaml").write_text("config: {aegis:localhost: {mlflow: 15000, s3Console: 19001}}")
    ports = stacks.read("mine").ports
    assert (ports["mlflow"], ports["s3"], ports["s3_console"]) == (15000, 9000, 19001)


@pytest.mark.parametrize(
    ("setting", "has_a_port"), [("{enabled: true}", True), ("{enabled: false}", False), ("{}", False)]
)
def test_a_gateway_that_is_switched_off_has_no_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, has_a_port: bool
) -> None:
    monkeypatch.setattr(stacks, "_FOLDER", tmp_path)
    (tmp_path / "Pulumi.mine.yaml").write_text(
        f"config: {{aegis:localhost: {{mlflow: 15000}}, aegis:gateway: {setting}}}"
    )
    assert ("gateway" in stacks.read("mine").ports) == has_a_port
