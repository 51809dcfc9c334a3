"""The process of a plugin. It is given the engine's address, prints its own port and serves until the engine exits."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from local.plugins.host import EngineHost
from local.plugins.provider import Host, Provider
from local.plugins.serve import Servicer

# A resource that is being awaited holds a thread for minutes, and by default the engine doesn't limit operations.
_THREADS: Final = 256
# The engine's own limit. Large custom resource definitions exceed gRPC's default of 4 MiB.
_MESSAGE_BYTES: Final = 400 * 1024 * 1024
_PARENT_CHECK_SECONDS: Final = 2


def serve(make: Callable[[Host], Provider], engine: str) -> None:
    """Serve the provider that `make` builds to the engine at the address `engine`."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    provider = make(EngineHost(engine))
    server = grpc.server(
        ThreadPoolExecutor(_THREADS),
        options=[("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # The engine interrupts a plugin when it is done, and reports any exit code but 0 as a crash.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    server.wait_for_termination()


def _end_with_parent() -> None:
    """Exit when the engine is killed, so that no process stays behind."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_SECONDS)
    os._exit(0)
