"""Runs of a Pulumi program without an engine, which return the complete graph of registered resources.

The functions below act as the providers and add computed outputs. An invoke without a defined answer is an error,
because an empty answer could make tests pass for the wrong reason.
"""

import asyncio
import json
import runpy
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml
from google.protobuf import empty_pb2, json_format
from pulumi.runtime import mocks, rpc
from pulumi.runtime.config import set_all_config
from pulumi.runtime.proto import resource_pb2

from tests.support import aws_invokes, aws_mocks

ROOT = Path(__file__).resolve().parents[2]
STACK_FILES = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))
STACK = "pulumi:pulumi:Stack"
_PROVIDER = "pulumi:providers:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """A resource as the program registered it, with property names as in the protocol and secrets unwrapped.

    `outputs` are the inputs plus computed properties. `sources` are the resources that each input depends on.
    """

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    sources: dict[str, frozenset[str]]
    secrets: frozenset[str]
    provider: str
    providers: frozenset[str]
    protect: bool
    delete_before_replace: bool
    retain_on_delete: bool
    depends_on: frozenset[str]
    create_timeout: str

    @property
    def kind(self) -> str:
        """The last part of the type, such as `Deployment`."""
        return self.type.rpartition(":")[2]

    @property
    def object_name(self) -> str | None:
        """The Kubernetes object's fixed name, or None if Pulumi generates it."""
        return self.inputs.get("metadata", {}).get("name")

    @property
    def namespace(self) -> str | None:
        """The Kubernetes object's namespace."""
        return self.inputs.get("metadata", {}).get("namespace")


@dataclass(kw_only=True, slots=True)
class Graph:
    """Everything that a program registered, and its outputs."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    secret_outputs: frozenset[str] = frozenset()

    def of_kind(self, *kinds: str) -> list[Registered]:
        """Return the resources of these kinds, in order of registration."""
        return [resource for resource in self.resources if resource.kind in kinds]

    def one(self, kind: str, name: str | None = None, namespace: str | None = None) -> Registered:
        """Return the only resource of a kind (with this logical or object name), and fail if there are others."""
        matches = [
            resource
            for resource in self.of_kind(kind)
            if name in (None, resource.name, resource.object_name) and namespace in (None, resource.namespace)
        ]
        assert len(matches) == 1, f"{len(matches)} of {kind} {name or ''}: {[resource.name for resource in matches]}"
        return matches[0]

    def custom(self) -> list[Registered]:
        """Return the resources that providers create, without the providers themselves."""
        return [each for each in self.resources if each.custom and not each.type.startswith(_PROVIDER)]

    def pods(self) -> Iterator[tuple[Registered, dict[str, Any], dict[str, str]]]:
        """Yield each workload with its pod spec and pod labels."""
        for workload in self.of_kind("Deployment", "StatefulSet", "Job", "CronJob"):
            spec = workload.inputs["spec"]
            template = (spec["jobTemplate"]["spec"] if workload.kind == "CronJob" else spec)["template"]
            yield workload, template["spec"], template["metadata"]["labels"]


class _Monitor(mocks.MockMonitor):
    """A monitor that records each registration, including options that mocks don't receive."""

    def __init__(self, providers: mocks.Mocks, graph: Graph) -> None:
        super().__init__(providers)
        self._graph = graph

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:  # noqa: N802 - gRPC's name
        response = super().RegisterResource(request)
        wire = json_format.MessageToDict(request.object)
        inputs = {key: _plain(value) for key, value in wire.items()}
        if request.type != STACK:
            self._graph.resources.append(
                Registered(
                    urn=response.urn,
                    type=request.type,
                    name=request.name,
                    parent=request.parent,
                    custom=request.custom,
                    inputs=inputs,
                    outputs=inputs | _plain(json_format.MessageToDict(response.object)),
                    sources={key: frozenset(of.urns) for key, of in request.propertyDependencies.items()},
                    secrets=frozenset(key for key, value in wire.items() if _has_secret(value)),
                    provider=request.provider.rpartition("::")[0],
                    providers=frozenset(request.providers),
                    protect=request.protect,
                    delete_before_replace=request.deleteBeforeReplace,
                    retain_on_delete=request.retainOnDelete,
                    depends_on=frozenset(request.dependencies),
                    create_timeout=request.customTimeouts.create,
                )
            )
        return response

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> empty_pb2.Empty:  # noqa: N802
        if f"::{STACK}::" in request.urn:
            wire = json_format.MessageToDict(request.outputs)
            self._graph.outputs = {key: _plain(value) for key, value in wire.items()}
            self._graph.secret_outputs = frozenset(key for key, value in wire.items() if _has_secret(value))
        return super().RegisterResourceOutputs(request)


# The mock transit key's one version. Nothing parses it.
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nbW9jaw==\n-----END PUBLIC KEY-----\n"


class _Providers(mocks.Mocks):
    """Mock providers that add only computed outputs."""

    def __init__(self, *, preview: bool) -> None:
        self._preview = preview

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if self._preview and args.custom:
            # In the first preview of a stack, computed outputs are unknown.
            return None, dict(args.inputs)
        return f"{args.name}-id", {**args.inputs, **self._computed(args)}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        answer = aws_invokes.ANSWERS.get(args.token)
        assert answer is not None, f"The program invoked {args.token}, which the tests don't know."
        assert args.provider, f"The program invoked {args.token} without a provider: it would ask an ambient account."
        try:
            return answer(args.args), []
        except aws_invokes.RefusedError as refusal:
            return {}, [("", str(refusal))]

    def _computed(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        kind = args.typ.rpartition(":")[2]
        if kind == "RandomPassword":
            return {"result": secret(f"{args.name}-" + "x" * int(args.inputs["length"]))}
        if kind == "RandomBytes":
            return {"base64": secret("+/" * 21 + "8="), "hex": secret("fb" * 32)}
        if kind == "SecretBackendKey":
            return {"keys": [{"name": "ecdsa-p256", "public_key": PUBLIC_KEY}]}
        if args.typ.startswith("aws:"):
            return aws_mocks.computed(args)
        if not args.typ.startswith("kubernetes:"):
            return {}
        metadata = args.inputs.get("metadata", {})
        computed: dict[str, Any] = {"metadata": {"name": f"{args.name}-0a1b2c3d", **metadata}}
        if kind == "Service":
            address = f"10.96.7.{zlib.crc32(args.name.encode()) % 250 + 1}"
            computed["spec"] = {**args.inputs["spec"], "clusterIP": address}
        return computed


def secret(value: str) -> dict[str, str]:
    """Return `value` in the form in which a provider returns a secret."""
    return {rpc._special_sig_key: rpc._special_secret_sig, "value": value}


def run_program(
    config: Mapping[str, str], *, stack: str = "local", preview: bool = False, program: Path = ROOT / "infra"
) -> Graph:
    """Run the Pulumi program in a folder with this configuration, as the language host does."""

    def main() -> None:
        runpy.run_path(str(program), run_name="__main__")

    return run(main, config, stack=stack, preview=preview)


def run(
    program: Callable[[], None], config: Mapping[str, str], *, stack: str = "local", preview: bool = False
) -> Graph:
    """Run a function that registers resources, and wait for all registrations and applies.

    Exceptions of the program, including those in an apply, are raised here.
    """
    graph = Graph()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        set_all_config(dict(config), [])
        providers = _Providers(preview=preview)
        settings = mocks.MockSettings(
            monitor=_Monitor(providers, graph),
            engine=mocks.MockEngine(None),
            project="aegis",
            stack=stack,
            dry_run=preview,
            organization=None,
        )
        pulumi.runtime.configure(settings)
        loop.run_until_complete(pulumi.runtime.run_in_stack(program))
    finally:
        _drain(loop)
        loop.close()
    return graph


def _drain(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks that a failed program left running."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def stack_config(stack_file: Path, overrides: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return a stack file's configuration in the form that the engine passes on. `overrides` are by full key."""
    configured = yaml.safe_load(stack_file.read_text()).get("config", {})
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    defaults = {f"aegis:{key}": schema["default"] for key, schema in declared.items() if "default" in schema}
    values = {**defaults, **configured, **(overrides or {})}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and value.get(rpc._special_sig_key) == rpc._special_secret_sig


def _has_secret(value: object) -> bool:
    if _is_secret(value):
        return True
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_has_secret(child) for child in children)


def _plain(value: Any) -> Any:
    if _is_secret(value):
        return _plain(value["value"])
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    return value
