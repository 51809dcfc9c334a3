"""Events that no page can have sent are problems, not failures."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from workloads.gateway.app import create_app
from workloads.gateway.settings import Settings


@pytest.fixture(scope="module")
def page() -> Iterator[TestClient]:
    pytest.importorskip("gradio")
    app = create_app(Settings(tracking_uri="http://127.0.0.1:1"))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"null",
        b'{"data": []}',
        b'{"fn_index": 0}',
        b'{"fn_index": 0, "data": []}',
        b'{"fn_index": 1, "data": []}',
        b'{"fn_index": -1, "data": []}',
        b'{"fn_index": 9999, "data": []}',
        b'{"fn_index": "0", "data": [null]}',
        b'{"api_name": "x", "data": []}',
    ],
)
def test_an_event_that_no_page_can_have_sent_is_refused(page: TestClient, body: bytes) -> None:
    answer = page.post("/gradio_api/run/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:aegis:problem:invalid-form"


def test_an_event_of_the_page_is_answered(page: TestClient) -> None:
    answer = page.post("/gradio_api/run/predict", json={"fn_index": 0, "data": [None]})
    assert answer.status_code == 200
    assert "MLflow does not answer" in answer.text
