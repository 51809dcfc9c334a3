"""The gRPC service through which the Pulumi engine calls a `Provider`.

The SDK's own `pulumi.provider.experimental` can't report a resource that was created but isn't ready, read old inputs,
or return unknown values. This module therefore implements the protocol itself:
https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto.
"""

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import proto
from pulumi.runtime.proto import ResourceProviderServicer, status_pb2
from typing_extensions import override

from local.plugins import paths
from local.plugins.provider import Change, Diff, InvalidInputsError, NotReadyError, PluginError, Provider, Request
from local.plugins.values import Bag, decode, encode

_logger = logging.getLogger(__name__)

_REPLACING: Final = {
    Change.ADD: proto.PropertyDiff.ADD_REPLACE,
    Change.DELETE: proto.PropertyDiff.DELETE_REPLACE,
    Change.UPDATE: proto.PropertyDiff.UPDATE_REPLACE,
}
_KEEPING: Final = {
    Change.ADD: proto.PropertyDiff.ADD,
    Change.DELETE: proto.PropertyDiff.DELETE,
    Change.UPDATE: proto.PropertyDiff.UPDATE,
}


class _Message(Protocol):
    """Any request about a resource."""

    @property
    def urn(self) -> str:
        """The resource's URN."""
        ...


class _Failure(grpc.Status):
    """The gRPC status of a failed call."""

    def __init__(self, message: str, detail: proto.ErrorResourceInitFailed | None = None) -> None:
        self.code = grpc.StatusCode.UNKNOWN
        self.details = message
        self.trailing_metadata = ()
        if detail is not None:
            status = status_pb2.Status(code=self.code.value[0], message=message)
            status.details.add().Pack(detail)
            self.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)


def _failure(error: Exception) -> _Failure:
    if isinstance(error, NotReadyError):
        detail = proto.ErrorResourceInitFailed(
            id=error.state.id, properties=encode(error.state.outputs), reasons=[str(error)]
        )
        return _Failure(str(error), detail)
    if isinstance(error, PluginError):
        return _Failure(str(error))
    _logger.error("A call from the engine failed", exc_info=error)
    return _Failure(f"the embedded plugin failed: {type(error).__name__}: {error}")


def _reporting_errors(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an exception of a method into an error that the engine understands."""

    @functools.wraps(method)
    def answer(self: "Servicer", request: object, context: grpc.ServicerContext) -> object:
        try:
            return method(self, request, context)
        except Exception as error:  # noqa: BLE001 - the engine must be told of every failure.
            return context.abort_with_status(_failure(error))

    return answer


class Servicer(ResourceProviderServicer):
    """The gRPC service of one provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @override
    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> proto.PluginInfo:
        """Return the version of the official package that this plugin replaces."""
        return proto.PluginInfo(version=self._provider.version)

    @override
    def Handshake(
        self, request: proto.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> proto.ProviderHandshakeResponse:
        """Tell the engine that it may send secrets, but neither resources nor outputs."""
        return proto.ProviderHandshakeResponse(accept_secrets=True)

    @override
    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """End running operations early."""
        self._provider.cancel()
        return Empty()

    @override
    @_reporting_errors
    def GetSchema(self, request: proto.GetSchemaRequest, context: grpc.ServicerContext) -> proto.GetSchemaResponse:
        """Raise an error, because the schema comes with the official package."""
        message = f"the embedded plugin {self._provider.name!r} has no schema: use the official package for that"
        raise PluginError(message)

    @override
    @_reporting_errors
    def CheckConfig(self, request: proto.CheckRequest, context: grpc.ServicerContext) -> proto.CheckResponse:
        """Check the provider's inputs."""
        return _checked(lambda: self._provider.check_config(decode(request.news)))

    @override
    @_reporting_errors
    def DiffConfig(self, request: proto.DiffRequest, context: grpc.ServicerContext) -> proto.DiffResponse:
        """Compare the provider's inputs."""
        old = decode(request.old_inputs if request.HasField("old_inputs") else request.olds)
        return _diff_response(self._provider.diff_config(old, decode(request.news)))

    @override
    @_reporting_errors
    def Configure(self, request: proto.ConfigureRequest, context: grpc.ServicerContext) -> proto.ConfigureResponse:
        """Configure the provider with its inputs."""
        self._provider.configure(decode(request.args))
        return proto.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @override
    @_reporting_errors
    def Invoke(self, request: proto.InvokeRequest, context: grpc.ServicerContext) -> proto.InvokeResponse:
        """Call a function."""
        result = encode(self._provider.invoke(request.tok, decode(request.args)))
        response = proto.InvokeResponse()
        # The name of the field is a Python keyword.
        getattr(response, "return").CopyFrom(result)
        return response

    @override
    @_reporting_errors
    def Check(self, request: proto.CheckRequest, context: grpc.ServicerContext) -> proto.CheckResponse:
        """Check and complete a resource's inputs."""
        operation = _request(request, inputs=request.news, old_inputs=request.olds, seed=request.randomSeed)
        return _checked(lambda: self._provider.check(operation))

    @override
    @_reporting_errors
    def Diff(self, request: proto.DiffRequest, context: grpc.ServicerContext) -> proto.DiffResponse:
        """Compare a resource's inputs."""
        operation = _request(
            request,
            inputs=request.news,
            old_inputs=request.old_inputs,
            state=request.olds,
            ignore=_ignored(request.ignoreChanges),
        )
        return _diff_response(self._provider.diff(operation))

    @override
    @_reporting_errors
    def Create(self, request: proto.CreateRequest, context: grpc.ServicerContext) -> proto.CreateResponse:
        """Create a resource."""
        operation = _request(request, inputs=request.properties, timeout=request.timeout, preview=request.preview)
        state = self._provider.create(operation)
        return proto.CreateResponse(id=state.id, properties=encode(state.outputs))

    @override
    @_reporting_errors
    def Read(self, request: proto.ReadRequest, context: grpc.ServicerContext) -> proto.ReadResponse:
        """Read the current state of a resource."""
        state = self._provider.read(_request(request, inputs=request.inputs, state=request.properties))
        if state is None:
            return proto.ReadResponse()
        return proto.ReadResponse(id=state.id, properties=encode(state.outputs), inputs=encode(state.inputs))

    @override
    @_reporting_errors
    def Update(self, request: proto.UpdateRequest, context: grpc.ServicerContext) -> proto.UpdateResponse:
        """Change a resource in place."""
        operation = _request(
            request,
            inputs=request.news,
            old_inputs=request.old_inputs,
            state=request.olds,
            ignore=_ignored(request.ignoreChanges),
            timeout=request.timeout,
            preview=request.preview,
        )
        return proto.UpdateResponse(properties=encode(self._provider.update(operation).outputs))

    @override
    @_reporting_errors
    def Delete(self, request: proto.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        """Delete a resource."""
        self._provider.delete(
            _request(request, inputs=request.old_inputs, state=request.properties, timeout=request.timeout)
        )
        return Empty()


def _request(message: _Message, **properties: Any) -> Request:  # noqa: ANN401 - the fields of a request.
    bags = {key: decode(value) if isinstance(value, Struct) else value for key, value in properties.items()}
    # urn:pulumi:<stack>::<project>::<parent type$...$type>::<name>, where the name itself may contain "::".
    _, _, types, name = message.urn.split("::", 3)
    fields: dict[str, Any] = {"id": getattr(message, "id", ""), **bags}
    return Request(urn=message.urn, type=types.rsplit("$", 1)[-1], name=name, **fields)


def _ignored(texts: Iterable[str]) -> tuple[paths.Path, ...]:
    try:
        return tuple(paths.parse(text) for text in texts)
    except ValueError as error:
        message = f"ignore_changes: {error}"
        raise PluginError(message) from error


def _checked(check: Callable[[], Bag]) -> proto.CheckResponse:
    try:
        return proto.CheckResponse(inputs=encode(check()))
    except InvalidInputsError as error:
        failures = [proto.CheckFailure(property=name, reason=reason) for name, reason in error.failures.items()]
        return proto.CheckResponse(failures=failures)


def _diff_response(diff: Diff) -> proto.DiffResponse:
    detailed = {
        paths.render(path): proto.PropertyDiff(
            kind=(_REPLACING if path in diff.replaces else _KEEPING)[change], inputDiff=True
        )
        for path, change in diff.changes.items()
    }
    return proto.DiffResponse(
        changes=proto.DiffResponse.DIFF_SOME if diff.changes or diff.replaces else proto.DiffResponse.DIFF_NONE,
        diffs=sorted({str(path[0]) for path in diff.changes}),
        replaces=sorted(paths.render(path) for path in diff.replaces),
        detailedDiff=detailed,
        hasDetailedDiff=True,
        deleteBeforeReplace=diff.delete_before_replace,
    )
