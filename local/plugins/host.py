"""Messages from a plugin to the engine, which shows them beside the resource that they concern."""

import logging
import threading

import grpc
from pulumi.runtime import proto
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from local.plugins.provider import Host

_logger = logging.getLogger(__name__)


class EngineHost(Host):
    """The log of the engine at `host:port`. A message that can't be delivered is dropped."""

    def __init__(self, address: str) -> None:
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))
        self._lock = threading.Lock()
        self._shown: dict[str, str] = {}

    def info(self, message: str, urn: str = "") -> None:
        """Log a message that stays in the output."""
        self._send(proto.INFO, message, urn)

    def warn(self, message: str, urn: str = "") -> None:
        """Warn about something that the user should change."""
        self._send(proto.WARNING, message, urn)

    def status(self, message: str, urn: str = "") -> None:
        """Show progress that the next message replaces. An unchanged message isn't sent again."""
        with self._lock:
            if self._shown.get(urn) == message:
                return
            self._shown[urn] = message
        self._send(proto.INFO, message, urn, ephemeral=True)

    def _send(
        self, severity: engine_pb2.LogSeverity.ValueType, message: str, urn: str, *, ephemeral: bool = False
    ) -> None:
        request = proto.LogRequest(severity=severity, message=message, urn=urn, ephemeral=ephemeral)
        try:
            self._stub.Log(request, timeout=5)
        except grpc.RpcError:
            _logger.debug("The engine didn't accept the message: %s", message)
