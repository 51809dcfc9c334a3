"""Ports of `localhost` for the servers in the cluster; they stay the same when the cluster changes.

In the embedded cluster, a connection is forwarded to the Service's address, which the cluster's name server returns.
An existing cluster is reached through its API server, with `kubectl port-forward`.
"""

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import contracts
from local import paths, processes
from local.cluster import Health, layout, lifecycle
from local.cluster.part import Part
from local.forwards.plan import HOST, Forward, Plan, read
from local.stacks import Stack

NAME = "forwards"


def start(stack: Stack, context: str | None, env: Mapping[str, str]) -> None:
    """Forward the ports of a stack; `env` holds the variables that kubectl needs for an existing cluster's `context`.

    Raises:
        LocalError: Another process uses one of the ports.
    """
    if stack.ports:
        lifecycle.start([_part(_plan(stack, context, env))])
    else:
        stop()


def stop() -> list[str]:
    """Stop the process, and return its name if it was running."""
    stopped = processes.stop([NAME])
    _file().unlink(missing_ok=True)
    return stopped


def health() -> list[Health]:
    """Return the state of the process; empty if nothing is forwarded."""
    if not _file().exists():
        return []
    part = _part(read(_file()))
    state, trouble = lifecycle.health(part)
    running = processes.running(NAME)
    return [
        Health(name=NAME, state=state, pid=running.pid if running else None, addresses=part.listens, trouble=trouble)
    ]


def _file() -> Path:
    return paths.config() / "forwards.json"


def _plan(stack: Stack, context: str | None, env: Mapping[str, str]) -> Plan:
    forwards = tuple(
        Forward(port=port, namespace=namespace, service=service, service_port=service_port)
        for server, port in stack.ports.items()
        for namespace, service, service_port in [contracts.SERVERS[server]]
    )
    if context:
        return Plan(forwards=forwards, context=context, kubeconfig=env["KUBECONFIG"], path=env["PATH"])
    return Plan(forwards=forwards, name_server=layout.load().dns_ip, domain=layout.CLUSTER_DOMAIN)


def _part(plan: Plan) -> Part:
    listens = tuple(f"{HOST}:{forward.port}" for forward in plan.forwards)
    return Part(
        name=NAME,
        argv=(sys.executable, "-m", "local.forwards.serve", f"--plan={_file()}"),
        # kubectl gets credentials from programs that read the user's home.
        env={"PYTHONPATH": str(paths.REPOSITORY), "PYTHONUNBUFFERED": "1", "HOME": os.environ.get("HOME", "/")},
        files=lambda: {_file(): plan.text()},
        reads=tuple(sorted(Path(__file__).parent.glob("*.py"))),
        listens=listens,
        ready=lambda: None if plan.context else _refusal(plan),
        remedy="or name other ports in aegis:localhost of the stack file",
    )


def _refusal(plan: Plan) -> str | None:
    """Return which port accepts no connection yet; through an API server, ports accept once the pods run."""
    for forward in plan.forwards:
        with closing(socket.socket()) as probe:
            if probe.connect_ex((HOST, forward.port)):
                return f"{HOST}:{forward.port} accepts no connection"
    return None
