"""Times the start of an embedded plugin by itself: from its spawn until it is configured and has answered a call."""

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from local import paths
from local.plugins.values import encode

# Nothing listens there: a plugin calls the engine only when it has something to tell.
_NO_ENGINE = "127.0.0.1:1"
_CALL_SECONDS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugin:
    """A plugin that the engine starts: what it is configured with, and the function with which it starts to work."""

    name: str
    config: Mapping[str, str] = field(default_factory=dict)
    function: str | None = None


def start(plugin: Plugin, environment: Mapping[str, str]) -> float:
    """Start a plugin, ask it what it is, configure it, make it work, end it, and return the seconds until then."""
    script = paths.REPOSITORY / "local" / "plugins" / "bin" / plugin.name / f"pulumi-resource-{plugin.name}"
    started = time.monotonic()
    with subprocess.Popen([script, _NO_ENGINE], stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                _use(provider_pb2_grpc.ResourceProviderStub(channel), plugin)
            return time.monotonic() - started
        finally:
            process.terminate()


def _use(provider: provider_pb2_grpc.ResourceProviderStub, plugin: Plugin) -> None:
    provider.GetPluginInfo(Empty(), timeout=_CALL_SECONDS)
    configuration = provider_pb2.ConfigureRequest(args=encode(plugin.config), acceptSecrets=True)
    provider.Configure(configuration, timeout=_CALL_SECONDS)
    if plugin.function is not None:
        provider.Invoke(provider_pb2.InvokeRequest(tok=plugin.function), timeout=_CALL_SECONDS)
