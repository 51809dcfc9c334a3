"""The gateway answers only under the names that it has, so that no page of another site reads it through a browser."""

import httpx2
import pytest
from starlette.testclient import TestClient

from workloads.gateway.app import create_app
from workloads.gateway.settings import Settings


@pytest.fixture(scope="module")
def named() -> TestClient:
    settings = Settings(
        tracking_uri="http://127.0.0.1:1",
        allowed_hosts=("localhost:*", "gateway.example.com", "[[]::1]:*"),
        allowed_origins=("https://portal.example.com",),
    )
    return TestClient(create_app(settings))


def ask(client: TestClient, host: str, method: str = "GET", **headers: str) -> httpx2.Response:
    return client.request(method, "/livez", headers={"host": host, **headers})


@pytest.mark.parametrize("host", ["localhost:8080", "gateway.example.com", "[::1]:8080"])
def test_its_own_names_are_answered(named: TestClient, host: str) -> None:
    assert ask(named, host).status_code == 200


@pytest.mark.parametrize("host", ["evil.example.com", "localhost.evil.example.com:8080", "gateway.example.com:1", ""])
def test_another_name_is_refused(named: TestClient, host: str) -> None:
    answer = ask(named, host)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:aegis:problem:forbidden")
    assert answer.json()["detail"].startswith("Invalid Host header")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://gateway.example.com", 405),
        ("http://gateway.example.com", 405),
        ("x://gateway.example.com", 403),
        ("https://portal.example.com", 405),
        ("https://evil.example.com", 403),
        ("null", 403),
        ("https://[", 403),
    ],
)
def test_only_its_own_and_the_allowed_sites_may_change_something(named: TestClient, origin: str, status: int) -> None:
    assert ask(named, "gateway.example.com", "POST", origin=origin).status_code == status


def test_without_a_list_every_name_is_answered() -> None:
    client = TestClient(create_app(Settings(tracking_uri="http://127.0.0.1:1")))
    assert ask(client, "anything.example.com").status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"), [("https://gateway.example.com", 405), ("http://gateway.example.com", 403)]
)
def test_the_scheme_counts_where_it_is_known(named: TestClient, origin: str, status: int) -> None:
    headers = {"origin": origin, "x-forwarded-proto": "https"}
    assert ask(named, "gateway.example.com", "POST", **headers).status_code == status


def test_a_request_with_two_hosts_is_refused(named: TestClient) -> None:
    headers = [("host", "localhost:8080"), ("host", "evil.example.com")]
    assert named.get("/livez", headers=headers).status_code == 400
