"""Events that no page can have sent are problems, not failures."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from workloads.gateway.app import create_app
from workloads.gateway.settings import Settings

# More than the page has.
_FUNCTIONS = 50
_MOST_INPUTS = 6


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


@pytest.mark.parametrize(
    ("value", "shown"), [(5, "5"), ([], "[]"), ({"a": "b" * 500}, '{"a": "' + "b" * 93 + "…")], ids=["5", "[]", "long"]
)
def test_an_input_of_another_type_is_told(page: TestClient, value: object, shown: str) -> None:
    answer = page.post("/gradio_api/run/predict", json={"fn_index": 0, "data": [value]})
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"Input 1 of the event must be a text or null, got {shown}."


def test_an_event_with_too_few_inputs_is_told(page: TestClient) -> None:
    answer = page.post("/gradio_api/run/predict", json={"fn_index": 0, "data": []})
    assert answer.json()["detail"] == "The event has 0 of 1 inputs."


SELECTED = {"index": [], "value": {}}


@pytest.mark.parametrize(
    ("value", "selected"),
    [
        *((value, SELECTED) for value in (None, 5, True, "x", [], ["x"], [5], {"a": 1})),
        *((True, selected) for selected in (None, 5, [], {})),
    ],
    ids=str,
)
def test_no_type_of_an_input_makes_a_function_of_the_page_fail(
    page: TestClient, value: object, selected: object
) -> None:
    statuses = set()
    for index in range(_FUNCTIONS):
        event = {"fn_index": index, "data": [value] * _MOST_INPUTS, "event_data": selected}
        statuses.add(page.post("/gradio_api/run/predict", json=event).status_code)
    assert statuses <= {200, 422}


def test_an_event_of_the_page_is_answered(page: TestClient) -> None:
    answer = page.post("/gradio_api/run/predict", json={"fn_index": 0, "data": [None]})
    assert answer.status_code == 200
    assert "MLflow does not answer" in answer.text
