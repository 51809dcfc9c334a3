"""Compares what two checkouts' programs register, for every stack file and some variants of them.

`python -m tests.support.compare_graphs OTHER_CHECKOUT` runs both programs under mocks and prints every difference in
URNs, types, inputs, parents, options and outputs. It exits with 1 where there is one.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from google.protobuf import json_format
from pulumi.runtime import mocks

# From the checkout on PYTHONPATH, which is the other one for one of the two dumps.
from tests.program.conftest import surround
from tests.support.engine import ROOT as CHECKOUT
from tests.support.engine import run_program, stack_config

ROOT: Final = Path(__file__).resolve().parents[2]
_TEAMS: Final = [{"name": "vision", "gpus": 2}, {"name": "speech", "cpu": 8, "memory": "32Gi"}]
_CLIENTS: Final = {
    "clientNamespaces": ["notebooks"],
    "clientNetworks": ["10.1.0.0/16"],
    "publicHosts": ["ml.example.com"],
}
_NETWORKS: Final = {"egress": {"aws": ["10.9.0.0/16"]}, "cluster": {"dnsNetworks": ["169.254.20.10"]}}
_BOUNDARY: Final = "arn:aws:iam::aws:policy/PowerUserAccess"
# By name: the stack, sections to merge into it, and whether it is the first preview, in which outputs are unknown.
VARIANTS: Final[Mapping[str, tuple[str, Mapping[str, Any], bool]]] = {
    **{stack: (stack, {}, False) for stack in ("ci", "dev", "local", "prod", "staging")},
    **{f"{stack}, first preview": (stack, {}, True) for stack in ("ci", "local", "prod")},
    "prod with teams and callers": ("prod", {"teams": _TEAMS, "mlflow": _CLIENTS}, False),
    "prod with a release": (
        "prod",
        {"release": {"enabled": True}, "trainer": {"gpus": 4}, "images": {"trainer": "registry.example.com/trainer:1"}},
        False,
    ),
    "prod with only its repositories": ("prod", {"aws": {"onlyRepositories": True}}, False),
    "prod with a password": ("prod", {"database": {"auth": "password"}}, False),
    "prod with a boundary": (
        "prod",
        {"aws": {"permissionsBoundary": _BOUNDARY}},
        False,
    ),
    "prod with networks": ("prod", _NETWORKS, False),
    "local with teams and callers": ("local", {"teams": _TEAMS, "mlflow": _CLIENTS}, False),
    "local without ports of localhost": ("local", {"localhost": None}, False),
    "local with a pool": ("local", {"mlflow": {"pool": {"size": 1, "overflow": 2}, "workers": 2}}, False),
    "ci with names": ("ci", {"vault": {"transitMount": "a/b", "authMount": "c/d", "signingKey": "k"}}, False),
}
# Where a resource is written in the source, and how the SDK talks to the engine, are not part of the graph.
_IGNORED: Final = ("sourcePosition", "stackTrace", "packageRef")
_UNORDERED: Final = ("dependencies",)


def dump() -> dict[str, Any]:
    """Return every variant's registrations, as the engine would see them, of the checkout that is imported."""
    graphs: dict[str, Any] = {}
    seen: dict[str, Any] = {}
    _record(mocks.MockMonitor, seen)
    for name, (stack, sections, preview) in VARIANTS.items():
        seen.clear()
        config = stack_config(CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml")
        for section, values in sections.items():
            config[f"aegis:{section}"] = json.dumps(_merged(config.get(f"aegis:{section}"), values))
        config = {key: value for key, value in config.items() if value != "null"}
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
            surround(monkeypatch, Path(folder))
            graph = run_program(config, stack=stack, preview=preview)
            text = json.dumps({**seen, "stack outputs": graph.outputs, "secret outputs": sorted(graph.secret_outputs)})
            graphs[name] = json.loads(text.replace(folder, "FOLDER").replace(str(CHECKOUT), "CHECKOUT"))
    return graphs


def _merged(written: str | None, values: Any) -> Any:
    return {**json.loads(written or "{}"), **values} if isinstance(values, dict) else values


def _record(monitor: Any, seen: dict[str, Any]) -> None:
    register, outputs = monitor.RegisterResource, monitor.RegisterResourceOutputs

    def registering(self: Any, request: Any) -> Any:
        response = register(self, request)
        options = {key: value for key, value in json_format.MessageToDict(request).items() if key not in _IGNORED}
        for key in _UNORDERED:
            options[key] = sorted(options.get(key, []))
        for dependencies in options.get("propertyDependencies", {}).values():
            dependencies.get("urns", []).sort()
        seen[response.urn] = options
        return response

    def exporting(self: Any, request: Any) -> Any:
        if "pulumi:pulumi:Stack" not in request.urn:
            seen[f"{request.urn} outputs"] = json_format.MessageToDict(request.outputs)
        return outputs(self, request)

    monitor.RegisterResource, monitor.RegisterResourceOutputs = registering, exporting


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each place at which two graphs differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            where = f"{path} > {key}" if path else key
            if key not in after:
                yield f"{where}: only before"
            elif key not in before:
                yield f"{where}: only after"
            else:
                yield from differences(before[key], after[key], where)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {json.dumps(before)} -> {json.dumps(after)}"


def _graphs(checkout: Path) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", __file__, "--dump"]
    ran = subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(ran.stdout)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare this checkout with another one."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.compare_graphs", description=__doc__)
    parser.add_argument("other", nargs="?", type=Path, help="a checkout of the state before")
    parser.add_argument("--dump", action="store_true", help="print the registrations of the checkout on PYTHONPATH")
    arguments = parser.parse_args(argv)
    if arguments.dump:
        json.dump(dump(), sys.stdout)
        return 0
    if arguments.other is None:
        parser.error("OTHER_CHECKOUT: not given; allowed: the folder of a checkout")
    before, after = _graphs(arguments.other.resolve()), _graphs(ROOT)
    found = 0
    for name in VARIANTS:
        lines = list(differences(before[name], after[name]))
        registered = sum(1 for key in before[name] if key.startswith("urn:") and not key.endswith(" outputs"))
        print(f"{name}: {registered} resources, {len(lines) or 'no'} difference{'s' if len(lines) != 1 else ''}")
        print("".join(f"  {line}\n" for line in lines), end="")
        found += len(lines)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
