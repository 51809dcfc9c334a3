"""The process that forwards ports of localhost: `python -m local.forwards.serve --plan FILE`."""

import argparse
import asyncio
import ctypes
import os
import resource
import signal
import socket
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from dns.asyncquery import udp
from dns.exception import DNSException
from dns.message import make_query
from dns.rdatatype import A

from local.forwards.plan import HOST, Forward, Plan, read

# Bytes per read; large artifacts are forwarded too.
_CHUNK = 256 * 1024
# Connections that may wait to be accepted; the kernel's own limit may be lower.
_BACKLOG = 4096
# Timeouts in seconds.
_NAME_PATIENCE = 3
_CONNECT_PATIENCE = 10
# Seconds before kubectl is restarted; it ends with the pod that it is connected to.
_PAUSE = 1
# prctl(2): sets the signal that a process receives when its parent dies.
_PR_SET_PDEATHSIG = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Forward ports until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m local.forwards.serve", description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="the file with the plan of the forwards")
    plan = read(parser.parse_args(argv).plan)
    # Each connection needs two file descriptors, and the usual limit is 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_run(plan))
    return 0


async def _run(plan: Plan) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    forward = _through_api_server if plan.context else _to_service
    async with asyncio.TaskGroup() as tasks:
        forwarding = [tasks.create_task(forward(plan, each)) for each in plan.forwards]
        await ended.wait()
        for task in forwarding:
            task.cancel()


async def _to_service(plan: Plan, forward: Forward) -> None:
    hosts = [HOST, *(["::1"] if _has_ipv6() else [])]
    pass_on = partial(_pass_on, plan, forward)
    server = await asyncio.start_server(pass_on, hosts, forward.port, limit=_CHUNK, backlog=_BACKLOG)
    async with server:
        await server.serve_forever()


def _has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


async def _pass_on(plan: Plan, forward: Forward, reader: StreamReader, writer: StreamWriter) -> None:
    try:
        async with asyncio.timeout(_CONNECT_PATIENCE):
            address = await _address(plan, forward)
            upstream = await asyncio.open_connection(address, forward.service_port, limit=_CHUNK)
    except (OSError, DNSException, LookupError, TimeoutError) as error:
        print(f"{forward.service}: {error!r}", flush=True)
        writer.transport.abort()
        return
    # One side may finish sending while the other still answers.
    await asyncio.gather(_copy(reader, upstream[1]), _copy(upstream[0], writer))
    for end in (writer, upstream[1]):
        end.close()


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        # Abort the other connection in the same way.
        writer.transport.abort()


async def _address(plan: Plan, forward: Forward) -> str:
    """Return the Service's address, looked up for each connection because a recreated Service has a new address."""
    name = f"{forward.service}.{forward.namespace}.svc.{plan.domain}."
    answer = await udp(make_query(name, A), plan.name_server or "", timeout=_NAME_PATIENCE)
    addresses = [item.to_text() for group in answer.answer for item in group if group.rdtype == A]
    if not addresses:
        raise LookupError(f"the namespace {forward.namespace} has no Service {forward.service}")
    return addresses[0]


async def _through_api_server(plan: Plan, forward: Forward) -> None:
    variables = {**os.environ, "KUBECONFIG": plan.kubeconfig or "", "PATH": plan.path or ""}
    argv = ["kubectl", f"--context={plan.context}", f"--namespace={forward.namespace}", "port-forward"]
    target = [f"--address={HOST}", f"service/{forward.service}", f"{forward.port}:{forward.service_port}"]
    libc = ctypes.CDLL(None)
    while True:
        process = await asyncio.create_subprocess_exec(
            *argv,
            *target,
            env=variables,
            stdin=asyncio.subprocess.DEVNULL,
            # If kubectl outlived this process, the next `make up` would find the port in use.
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
        )
        try:
            await process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.terminate()
            raise
        await asyncio.sleep(_PAUSE)


if __name__ == "__main__":
    sys.exit(main())
