"""Files of runs: streamed both ways, checked by checksums, and never outside of their run."""

import base64
import hashlib
import os
import resource
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support import gateways
from tests.support.gateways import StandIn

LARGE = os.urandom(1 << 20) * 9


def digest_of(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


@pytest.mark.parametrize("content", [b"", b"flavors: {}\n", LARGE], ids=["empty", "small", "large"])
def test_a_file_comes_back_as_it_was_with_its_checksum(api: httpx.Client, run: str, content: bytes) -> None:
    stored = api.post(f"/api/mlflow/runs/{run}/log-artifacts", params={"path": "a folder/data.bin"}, content=content)
    assert stored.status_code == 201
    assert stored.json()["files"] == [
        {"path": "a folder/data.bin", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    ]
    answer = api.get(f"/api/mlflow/runs/{run}/artifacts/a folder/data.bin")
    assert answer.content == content
    assert answer.headers["repr-digest"] == digest_of(content)
    assert answer.headers["content-length"] == str(len(content))


def test_a_form_uploads_several_files_into_folders(api: httpx.Client, run: str) -> None:
    form = [("file", ("one.txt", b"1")), ("path", (None, b"model")), ("file", ("C:\\data\\two.bin", LARGE))]
    answer = api.post(f"/api/mlflow/runs/{run}/log-artifacts", files=form)
    assert [each["path"] for each in answer.json()["files"]] == ["one.txt", "model/two.bin"]
    assert api.get(f"/api/mlflow/runs/{run}/artifacts/model/two.bin").content == LARGE
    listed = api.get(f"/api/mlflow/runs/{run}/artifacts", params={"path": "model"}).json()["files"]
    assert listed == [{"path": "model/two.bin", "is_dir": False, "file_size": len(LARGE)}]


@pytest.mark.parametrize(("path", "kind"), [("model", "folder"), ("model/MLmodel/more/data", "file")])
def test_a_file_has_no_place_where_a_folder_or_a_file_is(
    api: httpx.Client, run: str, problem: Any, path: str, kind: str
) -> None:
    upload = f"/api/mlflow/runs/{run}/log-artifacts"
    api.post(upload, params={"path": "model/MLmodel"}, content=b"1")
    answer = api.post(upload, params={"path": path}, content=b"2")
    assert (answer.status_code, problem(answer)) == (409, "conflict")
    assert answer.json()["detail"].startswith(f"The run has a {kind} ")


@pytest.mark.parametrize("path", ["a" * 256, "\u00e9" * 128, "a/" * 400 + "b"], ids=["part", "bytes", "whole"])
def test_a_path_that_a_store_cannot_keep_is_refused(api: httpx.Client, run: str, problem: Any, path: str) -> None:
    answer = api.post(f"/api/mlflow/runs/{run}/log-artifacts", params={"path": path}, content=b"1")
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")


def test_a_checksum_that_somebody_else_wrote_into_a_tag_breaks_nothing(
    api: httpx.Client, run: str, mlflow_url: str
) -> None:
    api.post(f"/api/mlflow/runs/{run}/log-artifacts", params={"path": "data"}, content=LARGE)
    [tag] = [
        each
        for each in api.get(f"/api/mlflow/runs/{run}").json()["run"]["data"]["tags"]
        if each["key"].startswith("aegis.artifact.")
    ]
    wrong = {"run_id": run, "key": tag["key"], "value": f"no digest {tag['value'].partition(' ')[2]}"}
    httpx.post(f"{mlflow_url}/api/2.0/mlflow/runs/set-tag", json=wrong).raise_for_status()
    answer = api.get(f"/api/mlflow/runs/{run}/artifacts/data")
    assert answer.content == LARGE
    assert "repr-digest" not in answer.headers


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("header", ["repr-digest", "content-digest"])
def test_a_file_without_the_announced_checksum_is_not_stored(
    api: httpx.Client, run: str, problem: Any, content: bytes, header: str
) -> None:
    path = f"/api/mlflow/runs/{run}/log-artifacts?path=data"
    wrong = api.post(path, content=content, headers={header: digest_of(b"other")})
    assert (wrong.status_code, problem(wrong)) == (422, "checksum-mismatch")
    assert api.get(f"/api/mlflow/runs/{run}/artifacts").json()["files"] == []
    assert api.post(path, content=content, headers={header: digest_of(content)}).status_code == 201


def test_a_form_may_announce_a_checksum_before_its_file(api: httpx.Client, run: str, problem: Any) -> None:
    checksum = hashlib.sha256(b"1").hexdigest().encode()
    form = [
        ("sha256", (None, checksum)),
        ("file", ("one", b"1")),
        ("sha256", (None, checksum)),
        ("file", ("two", b"2")),
    ]
    answer = api.post(f"/api/mlflow/runs/{run}/log-artifacts", files=form)
    assert (answer.status_code, problem(answer)) == (422, "checksum-mismatch")
    assert [each["path"] for each in api.get(f"/api/mlflow/runs/{run}/artifacts").json()["files"]] == ["one"]


@pytest.mark.parametrize("content", [b"", b"1", LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize(
    ("field", "value"), [("sha256", b"0" * 64), ("path", b"model"), ("sha265", b"0" * 64), ("file", b"no filename")]
)
def test_a_field_that_would_count_for_nothing_is_refused_before_the_file_is_whole(
    api: httpx.Client, run: str, problem: Any, field: str, value: bytes, content: bytes
) -> None:
    form = [("file", ("first", b"1")), ("file", ("second", content)), (field, (None, value))]
    answer = api.post(f"/api/mlflow/runs/{run}/log-artifacts", files=form)
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")
    assert repr(field) in answer.json()["detail"]
    assert [each["path"] for each in api.get(f"/api/mlflow/runs/{run}/artifacts").json()["files"]] == ["first"]


def test_a_field_without_any_file_is_refused(api: httpx.Client, run: str, problem: Any) -> None:
    answer = api.post(f"/api/mlflow/runs/{run}/log-artifacts", files=[("path", (None, b"model"))])
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")


def test_a_large_file_that_was_replaced_without_the_gateway_does_not_pass_for_the_old_one(
    api: httpx.Client, run: str, experiment: str, mlflow_url: str
) -> None:
    api.post(f"/api/mlflow/runs/{run}/log-artifacts?path=data", content=LARGE)
    other = LARGE[::-1]
    httpx.put(f"{mlflow_url}/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/data", content=other)
    with pytest.raises(httpx.RemoteProtocolError):
        api.get(f"/api/mlflow/runs/{run}/artifacts/data")


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "a//b", "a\\..\\b", "%2e%2e/x", "%252e%252e/x", "a\nb", ".", "a/", "x" * 900],
)
def test_a_path_that_could_leave_its_run_is_refused(api: httpx.Client, run: str, problem: Any, path: str) -> None:
    upload = api.post(f"/api/mlflow/runs/{run}/log-artifacts", params={"path": path}, content=b"x")
    assert (upload.status_code, problem(upload)) == (422, "invalid-form")
    listing = api.get(f"/api/mlflow/runs/{run}/artifacts", params={"path": path})
    assert (listing.status_code, problem(listing)) == (422, "invalid-form")


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/x", "a/%2e%2e/%2e%2e/x", "%2Fetc%2Fpasswd", "%252e%252e%252fx"])
def test_a_download_cannot_leave_its_run(api: httpx.Client, run: str, problem: Any, path: str) -> None:
    answer = api.get(f"/api/mlflow/runs/{run}/artifacts/{path}")
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")


@pytest.mark.parametrize("path", ["absent", "folder"])
def test_what_is_not_a_file_is_not_found(api: httpx.Client, run: str, problem: Any, path: str) -> None:
    api.post(f"/api/mlflow/runs/{run}/log-artifacts?path=folder/file", content=b"x")
    answer = api.get(f"/api/mlflow/runs/{run}/artifacts/{path}")
    assert (answer.status_code, problem(answer)) == (404, "not-found")
    assert ("is a folder" in answer.json()["detail"]) is (path == "folder")


@pytest.mark.parametrize(("path", "status"), [("folder", 404), ("empty", 200)])
def test_a_folder_of_an_object_store_is_no_empty_file(path: str, status: int) -> None:
    def answer(request: Request, _body: bytes) -> Response:
        if request.url.path.endswith("/runs/get"):
            return JSONResponse({"run": {"info": {"artifact_uri": "mlflow-artifacts:/1/r/artifacts"}, "data": {}}})
        if request.url.path.endswith("/artifacts/list"):
            inside = request.query_params["path"] == "folder"
            return JSONResponse({"files": [{"path": "folder/data", "is_dir": False}] if inside else []})
        return Response(b"")

    with gateways.serving(StandIn(answer=answer)) as uri, gateways.gateway(uri, deadline_seconds=30) as api:
        found = api.get(f"/api/mlflow/runs/r/artifacts/{path}")
    assert found.status_code == status
    assert ("is a folder" in found.text) is (status == 404)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"--b\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\ncontent-disposition: form-data; name=file; filename=x\r\n\r\nab", "multipart/form-data; boundary=b"),
        (b"nonsense", "multipart/form-data; boundary=b"),
        (b"--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\n", f"multipart/form-data; boundary={'b' * 300}"),
        (b"x", "multipart/form-data"),
    ],
)
def test_an_upload_that_is_not_complete_is_refused(
    api: httpx.Client, run: str, problem: Any, content: bytes, content_type: str
) -> None:
    headers = {"content-type": content_type}
    answer = api.post(f"/api/mlflow/runs/{run}/log-artifacts", content=content, headers=headers)
    assert (answer.status_code, problem(answer)) == (422, "invalid-form")
    assert api.get(f"/api/mlflow/runs/{run}/artifacts").json()["files"] == []


def test_memory_stays_constant_while_a_large_file_passes_in_both_directions(api: httpx.Client, run: str) -> None:
    chunk = bytes(1 << 20)

    def chunks() -> Iterator[bytes]:
        yield from (chunk for _ in range(200))

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert api.post(f"/api/mlflow/runs/{run}/log-artifacts?path=zeros", content=chunks()).status_code == 201
    with api.stream("GET", f"/api/mlflow/runs/{run}/artifacts/zeros") as answer:
        size = sum(len(part) for part in answer.iter_raw())
    assert size == 200 << 20
    # The gateway and the client are in this process.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
