"""Times the start of an embedded plugin by itself: from its spawn until it has answered a first call."""

import subprocess
import time
from collections.abc import Mapping

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2_grpc

from local import paths

# Nothing listens there: a plugin calls the engine only when it has something to tell.
_NO_ENGINE = "127.0.0.1:1"
_CALL_SECONDS = 30


def start(name: str, environment: Mapping[str, str]) -> float:
    """Start a plugin, wait until it has printed its port and told what it is, end it, and return the seconds."""
    script = paths.REPOSITORY / "local" / "plugins" / "bin" / name / f"pulumi-resource-{name}"
    started = time.monotonic()
    with subprocess.Popen([script, _NO_ENGINE], stdout=subprocess.PIPE, env=environment, text=True) as plugin:
        try:
            port = plugin.stdout.readline().strip() if plugin.stdout else ""
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                provider_pb2_grpc.ResourceProviderStub(channel).GetPluginInfo(Empty(), timeout=_CALL_SECONDS)
            return time.monotonic() - started
        finally:
            plugin.terminate()
