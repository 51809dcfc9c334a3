"""The command `deploy`: ask to serve a model, and wait until it is served."""

import argparse
import json
import re
from typing import Any, Final

from contracts import Env, Exit
from workloads.cli import WorkloadError
from workloads.commands import Command
from workloads.serving import cli_options, waiting
from workloads.serving.waiting import Asked
from workloads.serving.wanted import DEFAULT_ALIAS, Canary, Resources, Wanted

_EPILOG: Final = f"""\
MODEL is served in the version of an alias, which is followed, or in a fixed version. The reconciler in the cluster
verifies, delivers and starts it; the version before answers until then. A version that failed is tried again.

environment: KUBECONFIG, {Env.SERVING_NAMESPACE} (default: serving)

exit codes: {int(Exit.NOT_VERIFIED)} the version does not verify, even if it is served on; {int(Exit.REFUSED)} the
version failed and was taken back, or can't be delivered, or the stack declares the model; {int(Exit.MLFLOW)} MLflow
has no such version or doesn't answer; {int(Exit.UNEXPECTED)} not served in time, no reconciler or no cluster

examples:
  python -m workloads.serving deploy digits
  python -m workloads.serving deploy digits/3 --replicas 1
  python -m workloads.serving deploy digits@champion --canary-percent 10 --canary-seconds 60
"""
_MODEL: Final = re.compile(r"(?P<model>[^/:@]+)(@(?P<alias>[^/:@]+)|/(?P<version>[^/:@]+))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `deploy`."""
    defaults, canary = Wanted(model="m", alias=DEFAULT_ALIAS), Canary()
    parser.add_argument("model", metavar="MODEL[@ALIAS|/VERSION]", help="registered model (default: @champion)")
    parser.add_argument("--replicas", type=int, default=defaults.replicas, help="servers")
    parser.add_argument("--cpu", default=defaults.resources.cpu, help="CPU that each server requests")
    parser.add_argument("--memory", default=defaults.resources.memory, help="memory of each server")
    parser.add_argument(
        "--canary-percent", metavar="PERCENT", type=int, default=0, help="try a new version on this share (0: don't)"
    )
    parser.add_argument(
        "--canary-seconds", metavar="SECONDS", type=int, default=canary.seconds, help="how long it is tried"
    )
    waiting.add_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="change nothing, and say what would be asked for")
    cli_options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask, wait, and print what is served."""
    wanted = _wanted(args)
    serving = cli_options.serving()
    if serving.stack_wants(wanted.model):
        raise WorkloadError(
            f"the stack declares {wanted.model}: change `serving.models` in its settings instead.", Exit.REFUSED
        )
    if wanted.canary and (share := wanted.canary.share(wanted.replicas, wanted.replicas)) != wanted.canary.percent:
        servers = "1 server" if wanted.replicas == 1 else f"{wanted.replicas} servers"
        waiting.show(f"with {servers}, the canary gets {share} % of the requests, not {wanted.canary.percent} %")
    request = serving.want(wanted, dry_run=args.dry_run)
    if args.dry_run:
        print(json.dumps(wanted.to_json()) if args.json else f"would ask to serve {wanted.reference}")
        return Exit.OK
    waiting.need_reconciler(serving, wanted.reference)
    if args.no_wait:
        print(json.dumps(wanted.to_json()) if args.json else f"{wanted.reference} is asked for")
        return Exit.OK
    asked = Asked(model=wanted.model, what=wanted.reference, since=lambda status: status["request"] == request)
    status = waiting.wait(serving, asked, args.timeout)
    print(json.dumps(status) if args.json else _served(status))
    return Exit.OK


def _wanted(args: argparse.Namespace) -> Wanted:
    found = _MODEL.fullmatch(args.model)
    if found is None:
        raise WorkloadError(
            f"{args.model!r} is no model: allowed are MODEL, MODEL@ALIAS and MODEL/VERSION.", Exit.USAGE
        )
    version = found["version"]
    return Wanted(
        model=found["model"],
        alias=None if version else found["alias"] or DEFAULT_ALIAS,
        version=version,
        replicas=args.replicas,
        resources=Resources(cpu=args.cpu, memory=args.memory),
        canary=Canary(percent=args.canary_percent, seconds=args.canary_seconds) if args.canary_percent else None,
    )


def _served(status: dict[str, Any]) -> str:
    reason = f" ({status['reason']})" if status["reason"] else ""
    return f"{status['model']} version {status['served_version']} is served at {status['service']}{reason}"


COMMAND: Final = Command(
    name="deploy",
    summary="Serve a verified version of a registered model.",
    epilog=_EPILOG,
    add_arguments=add_arguments,
    run=run,
)
