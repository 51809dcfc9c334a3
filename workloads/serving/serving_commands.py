"""The commands `status`, `rollback`, `remove` and `history`."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from contracts import Env, Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.commands import Command
from workloads.registry import options
from workloads.registry.decisions.record import Record
from workloads.release import store
from workloads.serving import cli_options, waiting
from workloads.serving.reconciler import ledger
from workloads.serving.rollout.record import Rollout
from workloads.serving.waiting import Asked
from workloads.signing import keys

_CLUSTER: Final = f"environment: KUBECONFIG, {Env.SERVING_NAMESPACE} (default: serving)\n"
_ROLLBACK: Final = f"""\
While a rollout runs, it is stopped, and what is served stays. The alias is not moved:
`python -m workloads.registry rollback` does that.

{_CLUSTER}
exit codes: {int(Exit.NOT_VERIFIED)} the version does not verify; {int(Exit.REFUSED)} there is nothing to go back to, or
the version failed; {int(Exit.MLFLOW)} MLflow has no such version or doesn't answer; {int(Exit.UNEXPECTED)} not served
in time, no reconciler or no cluster
"""
_COLUMNS: Final = ("model", "wanted", "wanted_version", "served_version", "state", "ready", "replicas", "reason")


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=options.model, nargs="?", help="only this model")
    cli_options.add_json(parser)


def _status(args: argparse.Namespace) -> int:
    serving = cli_options.serving()
    told = serving.status(args.model) if args.model else None
    found = ([told] if told else []) if args.model else serving.statuses()
    if args.model and not found:
        raise WorkloadError(f"{args.model} is not served, and nobody asked for it.", Exit.MLFLOW)
    leader = serving.leader()
    if args.json:
        print(json.dumps({"leader": leader, "models": found}))
        return Exit.OK
    print(_table(_COLUMNS, [[_cell(each[column]) for column in _COLUMNS] for each in found]))
    if leader is None:
        raise WorkloadError("no reconciler runs: this is what was served when it ended.")
    return Exit.OK


def _add_rollback(parser: argparse.ArgumentParser) -> None:
    cli_options.add_model(parser)
    parser.add_argument("--to-version", metavar="VERSION", help="the version to serve (default: the one served before)")
    waiting.add_options(parser)
    cli_options.add_json(parser)


def _rollback(args: argparse.Namespace) -> int:
    serving, model = cli_options.serving(), args.model
    status, memory = serving.status(model), serving.memory(model)
    if status is None:
        raise WorkloadError(f"{model} is not served.", Exit.REFUSED)
    named = status.get("held_from") or status["wanted_version"]
    to = args.to_version or _before(model, named, memory)
    if to == named:
        raise WorkloadError(
            f"{status['wanted']} names version {to}: `python -m workloads.serving deploy` serves it.", Exit.REFUSED
        )
    serving.hold(model, named, to)
    result = json.dumps({"model": model, "from": named, "to": to})
    what = f"version {to} of {model}"
    waiting.need_reconciler(serving, what)
    still = f"{status['wanted']} still names {named}: move it, or deploy the model again to end this"
    if args.no_wait:
        print(result if args.json else f"{what} is being brought back instead of {named}. {still}")
        return Exit.OK
    waiting.wait(serving, Asked(model=model, what=what, since=lambda told: _is_held(told, named, to)), args.timeout)
    print(result if args.json else f"{what} is served instead of {named}. {still}")
    return Exit.OK


def _before(model: str, named: str | None, memory: Mapping[str, Any]) -> str:
    """Return the version to go back to: the served one while another is rolled out, else the one served before it."""
    served, previous = memory.get("served"), memory.get("previous")
    if served and memory.get("target") and served != named:
        return served
    if served and previous and previous != named:
        return previous
    before = f"served in no version before {served} that was not taken back" if served else "not served in any version"
    raise WorkloadError(
        f"{model} was {before}: there is nothing to go back to. Serve another version with --to-version or "
        f"`python -m workloads.serving deploy {model}/VERSION`, move the alias with `python -m workloads.registry "
        f"rollback {model}`, or stop serving it with `python -m workloads.serving remove {model}`.",
        Exit.REFUSED,
    )


def _is_held(status: Mapping[str, Any], named: str, to: str) -> bool:
    # While it waits for MLflow, the reconciler doesn't say what is held.
    return status["state"] == "waiting" or (status.get("held_from"), status["wanted_version"]) == (named, to)


def _add_remove(parser: argparse.ArgumentParser) -> None:
    cli_options.add_model(parser)
    cli_options.add_json(parser)


def _remove(args: argparse.Namespace) -> int:
    serving = cli_options.serving()
    if serving.stack_wants(args.model):
        raise WorkloadError(
            f"the stack declares {args.model}: remove it from `serving.models` in its settings instead.", Exit.REFUSED
        )
    if not serving.unwant(args.model):
        raise WorkloadError(f"nobody asked for {args.model} by the command line.", Exit.REFUSED)
    line = f"{args.model} is not asked for any more, and its servers are being removed"
    print(json.dumps({"model": args.model, "removed": True}) if args.json else line)
    return Exit.OK


def _add_history(parser: argparse.ArgumentParser) -> None:
    cli_options.add_model(parser)
    parser.add_argument(
        "--key", metavar="PEM", type=cli.file_path, action="append", default=[], help="trusted public keys; repeatable"
    )
    cli_options.add_json(parser)


def _history(args: argparse.Namespace) -> int:
    records = ledger.history(store.from_environment(), args.model, keys.trusted(args.key))
    if args.json:
        print(json.dumps({"model": args.model, "records": [_fields(each) for each in records]}))
        return Exit.OK
    columns = ("number", "time", "action", "from_version", "to_version", "source", "reason")
    print(_table(columns, [[_cell(_fields(each)[column]) for column in columns] for each in records]))
    return Exit.OK


def _fields(found: Record[Rollout]) -> dict[str, Any]:
    return asdict(found.decision) | {"sha256": found.sha256, "key": found.key.name if found.key else None}


def _cell(value: object) -> str:
    return "-" if value in (None, "") else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = [columns, *rows]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


COMMANDS: Final = (
    Command(
        name="status",
        summary="Show what is wanted and what is served.",
        epilog=_CLUSTER,
        add_arguments=_add_status,
        run=_status,
    ),
    Command(
        name="rollback",
        summary="Serve the version before, until what is wanted changes.",
        epilog=_ROLLBACK,
        add_arguments=_add_rollback,
        run=_rollback,
    ),
    Command(
        name="remove",
        summary="Stop serving a model that `deploy` asked for.",
        epilog=_CLUSTER,
        add_arguments=_add_remove,
        run=_remove,
    ),
    Command(
        name="history",
        summary="Verify and show the records of a model's rollouts.",
        epilog=f"environment: {Env.RELEASES_BUCKET} and those of S3, {Env.TRUSTED_KEYS} unless --key is given\n",
        add_arguments=_add_history,
        run=_history,
    ),
)
