"""`make status`: print the state of each part of the platform, and its addresses."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

import contracts
from contracts import Exit
from local import cli, cluster, env, forwards, kubeconfig, paths, processes, program, stacks, watch
from local.aws import embedded as emulated_aws
from local.cluster import Health, workloads
from local.figures import source
from local.processes import State

PIPE_WIDTH = 250
# Each turn asks the cluster for the metrics of every pod.
LEAST_SECONDS, MOST_SECONDS = 2, 86_400
ADDRESSES = {"MLflow": "mlflow_url", "Gateway": "gateway_url", "S3": "s3_url", "Vault": "vault_url"}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the state of every part; return 0 only if all run and are ready."""
    parser = cli.parser(
        "local.status",
        "Print the state of each part of the embedded platform, and the addresses. "
        "A part is running, stopped, or dead, which means that it ended without being stopped. "
        "With AEGIS_CONTEXT the parts are the stack's workloads on that cluster.",
        "exit code: 0 if every part runs and is ready, else 1",
    )
    parser.add_argument("--stack", default=env.STACK, help="the stack whose addresses to print")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument(
        "--watch",
        nargs="?",
        type=float,
        const=watch.SECONDS,
        metavar="SECONDS",
        help=f"show what is in trouble and the key figures until Ctrl-C, every {watch.SECONDS:g} seconds or as given",
    )
    arguments = parser.parse_args(argv)
    stacks.read(arguments.stack)
    context = os.environ.get(contracts.CONTEXT_ENV)
    if arguments.watch is not None:
        # Nothing compares with nan.
        if not LEAST_SECONDS <= arguments.watch <= MOST_SECONDS:
            parser.error(f"--watch must be {LEAST_SECONDS} to {MOST_SECONDS} seconds, got {arguments.watch:g}")
        environment = env.engine_environment()
        return watch.watch(
            lambda: [*_platform(context), *forwards.health()],
            lambda: source.read(environment, context),
            seconds=arguments.watch,
            console=_console(),
        )
    platform = _platform(context)
    parts = [*platform, *forwards.health()]
    healthy = bool(platform) and all(part.state is State.RUNNING and part.trouble is None for part in parts)
    addresses = _addresses(arguments.stack)
    if arguments.json:
        described = [dataclasses.asdict(part) | {"log": _log(part)} for part in parts]
        print(json.dumps({"healthy": healthy, "parts": described, "addresses": addresses}, indent=2))
    else:
        _show(parts, addresses)
    return Exit.OK if healthy else Exit.UNEXPECTED


def _platform(context: str | None) -> list[Health]:
    """Return the parts of the embedded platform, or the stack's workloads on an existing cluster."""
    return _on_cluster(context) if context else [*cluster.health(), *emulated_aws.health()]


def _on_cluster(context: str) -> list[Health]:
    """Return the stack's workloads on an existing cluster.

    Raises:
        LocalError: The context does not exist, or its cluster does not answer.
    """
    kubeconfig.find(context)
    reasons = workloads.look(env.engine_environment(), context)
    return [
        Health(name=name, state=State.RUNNING, pid=None, addresses=(), trouble=reason)
        for name, reason in reasons.items()
    ]


def _addresses(stack: str) -> dict[str, str]:
    """Return the API server's address and those in the stack's outputs."""
    api_server = cluster.address()
    outputs: Mapping[str, Any] = program.outputs(stack, {**os.environ, **env.engine_environment()})
    servers = {name: str(outputs[output]) for name, output in ADDRESSES.items() if output in outputs}
    return ({"Kubernetes": api_server} if api_server else {}) | servers


def _log(part: Health) -> str | None:
    """Return the log of a part that is a process on this machine; None for a workload on an existing cluster."""
    elsewhere = os.environ.get(contracts.CONTEXT_ENV) and part.name != forwards.NAME
    return None if elsewhere else str(processes.log_file(part.name))


def _console() -> Console:
    console = Console(highlight=False)
    # No wrapping in a pipe, so that `grep` finds whole lines.
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def _show(parts: Sequence[Health], addresses: Mapping[str, str]) -> None:
    console = _console()
    table = Table(box=None, pad_edge=False)
    for title in ("part", "state", "process", "listens on", "trouble"):
        table.add_column(title)
    for part in parts:
        log = f" (log: {log})" if (part.state is State.DEAD or part.trouble) and (log := _log(part)) else ""
        trouble = part.trouble or ("it ended without being stopped" if part.state is State.DEAD else "")
        table.add_row(
            part.name, part.state, str(part.pid or ""), ", ".join(part.addresses), f"{trouble}{log}" if trouble else ""
        )
    console.print(table, soft_wrap=True)
    for name, address in addresses.items():
        console.print(f"{name}: {address}", soft_wrap=True)
    console.print(f"Logs: {paths.logs()}", soft_wrap=True)


if __name__ == "__main__":
    cli.run(main)
