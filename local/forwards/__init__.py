"""The ports of `localhost` at which the servers in the cluster answer, the same over all that happens to the cluster.

In the embedded cluster a connection is passed on to the Service's address, which its name server tells. An existing
cluster is reached through its API server, by `kubectl port-forward`.
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
    """Forward the ports of a stack; `env` is what kubectl needs for an existing cluster's `context`.

    Raises:
        LocalError: Another process has one of the ports.
    """
    if stack.ports:
        lifecycle.start([_part(_plan(stack, context, env))])
    else:
        stop()


def stop() -> list[str]:
    """End the process, and return its name if it ran."""
    stopped = processes.stop([NAME])
    _file().unlink(missing_ok=True)
    return stopped


def health() -> list[Health]:
    """Return what the process is doing; none where nothing is forwarded."""
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
        # kubectl asks for credentials by programs that read the user's home.
        env={"PYTHONPATH": str(paths.REPOSITORY), "PYTHONUNBUFFERED": "1", "HOME": os.environ.get("HOME", "/")},
        files=lambda: {_file(): plan.text()},
        reads=tuple(sorted(Path(__file__).parent.glob("*.py"))),
        listens=listens,
        ready=lambda: None if plan.context else _refusal(plan),
        remedy="or name other ports in aegis:localhost of the stack file",
    )


def _refusal(plan: Plan) -> str | None:
    """Return which port takes no connection yet; through an API server they do when the stack's pods run."""
    for forward in plan.forwards:
        with closing(socket.socket()) as probe:
            if probe.connect_ex((HOST, forward.port)):
                return f"{HOST}:{forward.port} takes no connection"
    return None
