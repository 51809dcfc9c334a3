"""The page's addresses beside the API's: what leads to Gradio, what never does, and who is asked to log in."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from tests.support.gateways import StandIn, serving
from workloads.gateway.app import create_app
from workloads.gateway.page.route import PageRoute
from workloads.gateway.settings import Settings


@dataclass
class StandInPage:
    """What is behind the route instead of Gradio, and how often it was made."""

    made: int = 0
    queries: list[bytes] = field(default_factory=list)

    def make(self) -> Any:
        self.made += 1
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.queries.append(scope["query_string"])
        await PlainTextResponse("the page")(scope, receive, send)


def mlflow(request: Request, _body: bytes) -> Response:
    """Answer those who log in."""
    if "authorization" in request.headers:
        return JSONResponse({})
    return PlainTextResponse("Who are you?", 401, {"www-authenticate": 'Basic realm="models"'})


def app(tracking_uri: str, behind: StandInPage) -> FastAPI:
    made = create_app(Settings(tracking_uri=tracking_uri, page=False))
    made.router.routes.append(PageRoute(made.state.manager, behind.make))
    return made


@pytest.fixture
def behind() -> StandInPage:
    return StandInPage()


@pytest.fixture
def browser(behind: StandInPage) -> Iterator[httpx.Client]:
    """A client that is logged in."""
    with (
        serving(StandIn(answer=mlflow)) as url,
        serving(app(url, behind)) as address,
        httpx.Client(base_url=address, headers={"authorization": "Basic YTpi"}) as client,
    ):
        yield client


def test_the_page_is_made_once_when_somebody_opens_it(browser: httpx.Client, behind: StandInPage) -> None:
    browser.get("/livez")
    assert behind.made == 0
    assert [browser.get("/").text, browser.get("/theme.css").text] == ["the page", "the page"]
    assert behind.made == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/proxy=https://example.com"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/component_server"),
        ("GET", "/gradio_api/info"),
        ("GET", "/config"),
        ("GET", "/monitoring"),
        ("POST", "/"),
        ("GET", "/api/mlflow/nothing"),
    ],
)
def test_nothing_else_leads_to_gradio(
    browser: httpx.Client, behind: StandInPage, problem: Any, method: str, path: str
) -> None:
    assert problem(browser.request(method, path)) in ("not-found", "method-not-allowed")
    assert behind.made == 0


def test_a_query_is_not_passed_on_because_gradio_would_load_a_file_for_one(
    browser: httpx.Client, behind: StandInPage
) -> None:
    browser.get("/?deep_link=../../secret")
    assert behind.queries == [b""]


def test_the_browser_may_load_nothing_from_elsewhere(browser: httpx.Client) -> None:
    headers = browser.get("/").headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"


def test_a_browser_that_is_not_logged_in_is_asked_to_as_mlflow_asks(browser: httpx.Client, behind: StandInPage) -> None:
    answer = httpx.get(browser.base_url)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="models"'
    assert behind.made == 0


def test_the_page_opens_while_mlflow_is_dead(behind: StandInPage) -> None:
    with serving(app("http://127.0.0.1:1", behind)) as address:
        assert httpx.get(address).text == "the page"
