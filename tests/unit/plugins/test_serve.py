"""A plugin over gRPC, with secrets, unknown values and failures in the engine's form."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime import proto
from pulumi.runtime.proto import provider_pb2_grpc, status_pb2

from local.plugins.paths import parse
from local.plugins.provider import Change, Diff, InvalidInputsError, NotReadyError, PluginError, Provider, State
from local.plugins.serve import Servicer
from local.plugins.values import UNKNOWN, Bag, Secret, decode, encode
from tests.unit.plugins.support import RecordingHost

URN = "urn:pulumi:t::p::my:comp:Parent$pkg:mod/v1:Thing::a::b"


class Scripted(Provider):
    """Returns or raises the `answer` that a test sets."""

    name = "pkg"
    version = "1.2.3"
    answer: Any = None
    request: Any = None

    def _do(self, request: Any) -> Any:
        self.request = request
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def configure(self, config: Bag) -> None:
        self._do(config)

    def invoke(self, token: str, arguments: Bag) -> Any:
        return self._do((token, arguments)) or super().invoke(token, arguments)

    check = diff = create = read = update = delete = _do


@pytest.fixture
def provider(host: RecordingHost) -> Scripted:
    return Scripted(host)


@pytest.fixture
def stub(provider: Scripted) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    server = grpc.server(ThreadPoolExecutor(2))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(None)


def test_a_request_has_its_type_name_secrets_and_unknowns(
    stub: provider_pb2_grpc.ResourceProviderStub, provider: Scripted
) -> None:
    provider.answer = State(id="1", outputs={"out": UNKNOWN, "password": Secret("x")})
    inputs = encode({"a": Secret(1), "b": UNKNOWN})
    answer = stub.Create(proto.CreateRequest(urn=URN, properties=inputs, timeout=5, preview=True))
    assert (provider.request.type, provider.request.name) == ("pkg:mod/v1:Thing", "a::b")
    assert provider.request.inputs == {"a": Secret(1), "b": UNKNOWN}
    assert (provider.request.preview, provider.request.timeout) == (True, 5)
    assert decode(answer.properties) == {"out": UNKNOWN, "password": Secret("x")}


def test_a_diff_reports_each_path_and_the_kind_of_change(
    stub: provider_pb2_grpc.ResourceProviderStub, provider: Scripted
) -> None:
    path = ("metadata", "labels", "a.b/c")
    changes = {path: Change.ADD, ("spec", "n", 0): Change.UPDATE}
    provider.answer = Diff(changes=changes, replaces=frozenset({("spec", "n", 0)}), delete_before_replace=True)
    answer = stub.Diff(proto.DiffRequest(urn=URN, ignoreChanges=["spec.x", 'metadata["a.b"]']))
    assert provider.request.ignore == (parse("spec.x"), ("metadata", "a.b"))
    assert answer.changes == proto.DiffResponse.DIFF_SOME
    assert answer.detailedDiff['metadata.labels["a.b/c"]'].kind == proto.PropertyDiff.ADD
    assert answer.detailedDiff["spec.n[0]"].kind == proto.PropertyDiff.UPDATE_REPLACE
    assert list(answer.replaces) == ["spec.n[0]"]
    assert answer.deleteBeforeReplace


def test_an_empty_diff_is_reported_as_none(stub: provider_pb2_grpc.ResourceProviderStub, provider: Scripted) -> None:
    provider.answer = Diff()
    assert stub.Diff(proto.DiffRequest(urn=URN)).changes == proto.DiffResponse.DIFF_NONE


def test_invalid_inputs_are_check_failures_by_property(
    stub: provider_pb2_grpc.ResourceProviderStub, provider: Scripted
) -> None:
    provider.answer = InvalidInputsError({"length": "length is 0"})
    answer = stub.Check(proto.CheckRequest(urn=URN))
    assert [(each.property, each.reason) for each in answer.failures] == [("length", "length is 0")]


def test_a_missing_resource_is_read_with_an_empty_id(
    stub: provider_pb2_grpc.ResourceProviderStub, provider: Scripted
) -> None:
    provider.answer = None
    assert stub.Read(proto.ReadRequest(urn=URN, id="x")).id == ""


def test_a_failure_reaches_the_user_unchanged(stub: provider_pb2_grpc.ResourceProviderStub, provider: Scripted) -> None:
    provider.answer = PluginError("the server said no")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Create(proto.CreateRequest(urn=URN))
    assert caught.value.details() == "the server said no"


def test_a_bug_is_reported_as_a_failure_of_the_embedded_plugin(
    stub: provider_pb2_grpc.ResourceProviderStub, provider: Scripted
) -> None:
    provider.answer = ZeroDivisionError("oops")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Create(proto.CreateRequest(urn=URN))
    assert caught.value.details() == "the embedded plugin failed: ZeroDivisionError: oops"


def test_a_resource_that_isnt_ready_is_reported_with_its_state(
    stub: provider_pb2_grpc.ResourceProviderStub, provider: Scripted
) -> None:
    provider.answer = NotReadyError("no pod is ready", State(id="shop/web", outputs={"a": Secret(1)}))
    with pytest.raises(grpc.RpcError) as caught:
        stub.Create(proto.CreateRequest(urn=URN))
    metadata: Any = caught.value.trailing_metadata()
    status = status_pb2.Status.FromString(dict(metadata)["grpc-status-details-bin"])
    detail = proto.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert (detail.id, list(detail.reasons)) == ("shop/web", ["no pod is ready"])
    assert decode(detail.properties) == {"a": Secret(1)}


def test_an_invalid_ignored_path_is_refused(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Diff(proto.DiffRequest(urn=URN, ignoreChanges=["spec["]))
    assert "ignore_changes" in str(caught.value.details())


def test_the_official_version_is_reported(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    assert stub.GetPluginInfo(Empty()).version == "1.2.3"


def test_a_function_receives_its_arguments_and_returns_its_result(
    stub: provider_pb2_grpc.ResourceProviderStub, provider: Scripted
) -> None:
    provider.answer = {"id": "vpc-1"}
    answer = stub.Invoke(proto.InvokeRequest(tok="pkg:mod:getThing", args=encode({"name": "a"})))
    assert provider.request == ("pkg:mod:getThing", {"name": "a"})
    assert decode(getattr(answer, "return")) == {"id": "vpc-1"}


def test_a_function_of_a_package_without_functions_is_refused_by_name(
    stub: provider_pb2_grpc.ResourceProviderStub,
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Invoke(proto.InvokeRequest(tok="pkg:mod:getThing"))
    assert "pkg:mod:getThing" in str(caught.value.details())
