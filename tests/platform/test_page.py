"""The gateway's page in a real browser, on a desk and on a phone, with a real MLflow behind it.

It needs Chromium and no cluster.
"""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests.journeys.browser import Browser, browser
from tests.support import gateways, page_data, tls
from tests.support.page_data import HOSTILE, Filled
from workloads.gateway.app import create_app
from workloads.gateway.settings import Settings

DESK, PHONE = (1500, 1000), (390, 844)
NAME = "models.example.com"
TABLE, PLOT = "table.rows", ".js-plotly-plot .main-svg"
# Seconds after which a page that asks for nothing more would have asked.
_IDLE = 3
# https://www.w3.org/TR/webdriver2/#keyboard-actions
_DOWN = "\ue015"
# What is on each tab as soon as it is filled.
TABS = {
    "Experiments": (TABLE, "Handwritten digits"),
    "Runs": (TABLE, "trial-11"),
    "Curves": (PLOT, "Live"),
    "Search": (PLOT, "trial-02"),
    "Compare": (PLOT, "dropout"),
    "Models": (TABLE, "signed by aegis-cosign v1"),
    "Try": ("textarea", "Version 1 is served."),
}


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Filled]]:
    """The address of an MLflow, and what is in it."""
    folder = tmp_path_factory.mktemp("mlflow")
    with gateways.mlflow_server(folder) as url:
        yield url, page_data.fill(url, folder)


@pytest.fixture(scope="module")
def page(mlflow: tuple[str, Filled]) -> Iterator[str]:
    """The address of a gateway."""
    url, filled = mlflow
    with pytest.MonkeyPatch.context() as environment, page_data.served() as status:
        environment.setenv("AEGIS_TRUSTED_KEYS", str(filled.key))
        with gateways.serving(app(url, serving_status=status)) as address:
            yield address


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser"), {NAME: "127.0.0.1"}) as opened:
        yield opened


def app(tracking_uri: str, **options: Any) -> Any:
    # A busy machine needs more time than the default allows.
    return create_app(Settings(tracking_uri=tracking_uri, deadline_seconds=15, **options))


def show(window: Browser, tab: str) -> None:
    window.click("button[role=tab]", tab)
    drawn, text = TABS[tab]
    window.until(text)
    window.until_drawn(drawn)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_every_tab_shows_its_content_within_the_window_and_from_this_server_alone(
    page: str, window: Browser, size: tuple[int, int]
) -> None:
    window.resize(*size)
    window.open(page)
    for tab in TABS:
        show(window, tab)
        assert window.evaluate("document.documentElement.scrollWidth") <= size[0], tab
    traffic = [(status, url) for status, url in window.traffic() if not url.startswith(("data:", "blob:"))]
    assert [each for each in traffic if each[0] >= 400 or not each[1].startswith(page)] == []


def test_the_document_of_the_api_is_shown_from_this_server_alone(page: str, window: Browser) -> None:
    window.open(f"{page}/docs")
    window.until("Deploy a model")
    assert [url for _, url in window.traffic() if not url.startswith((page, "data:"))] == []


def test_each_version_says_how_its_signature_stands(page: str, window: Browser) -> None:
    window.resize(*DESK)
    window.open(page)
    show(window, "Models")
    text = window.text()
    for words in ("signed by aegis-cosign v1", "not signed", "a key that isn't trusted", "it was signed as run"):
        assert words in text
    assert "champion" in text
    assert "Checked here: that a trusted key signed" in text


def test_a_served_model_answers_the_example_of_its_signature(page: str, window: Browser) -> None:
    window.resize(*PHONE)
    window.open(page)
    show(window, "Try")
    values = "[...document.querySelectorAll('.code textarea')].map(each => each.value)"
    gateways.until(lambda: "height" in window.evaluate(values)[0])
    window.click("button", "Ask the model")
    gateways.until(lambda: window.evaluate(values)[1] == '{\n  "predictions": [\n    7\n  ]\n}')


def test_a_curve_grows_while_it_is_watched(page: str, window: Browser, mlflow: tuple[str, Filled]) -> None:
    url, filled = mlflow
    window.resize(*DESK)
    window.open(page)
    show(window, "Curves")
    longest = "Math.max(...document.querySelector('.js-plotly-plot').data.map(each => Math.max(...each.x)))"
    before = window.evaluate(longest)
    httpx.post(
        f"{url}/api/2.0/mlflow/runs/log-metric",
        json={"run_id": filled.going_on, "key": "loss", "value": 0.1, "timestamp": 1, "step": before + 100},
    ).raise_for_status()
    gateways.until(lambda: window.evaluate(longest) == before + 100)


def test_only_the_open_tab_asks_mlflow(window: Browser) -> None:
    def answer(_request: Request, _body: bytes) -> Response:
        experiments = [{"experiment_id": number, "name": f"experiment {number}"} for number in "12"]
        return JSONResponse({"experiments": experiments})

    mlflow = gateways.StandIn(answer=answer)
    window.resize(*DESK)
    with gateways.serving(mlflow) as url, gateways.serving(app(url)) as page:
        window.open(page)
        window.until("experiment 2")
        time.sleep(_IDLE)
        assert {path for _, path, _ in mlflow.asked} == {"/api/2.0/mlflow/experiments/search"}
        window.click("button[role=tab]", "Runs")
        window.until("No run of this experiment matches.")
        window.enter("input[aria-label=Experiment]", _DOWN)
        time.sleep(_IDLE)
        assert [body["experiment_ids"] for body in mlflow.bodies("runs/search")] == [["1"], ["2"]]


def test_names_from_users_are_shown_and_not_run(page: str, window: Browser) -> None:
    window.resize(*DESK)
    window.open(page)
    assert HOSTILE in window.until(HOSTILE)
    assert window.evaluate("document.title") == "Aegis"


def test_a_filter_that_mlflow_refuses_is_answered_with_its_reason(page: str, window: Browser) -> None:
    window.resize(*DESK)
    window.open(page)
    show(window, "Runs")
    window.enter("input[placeholder^=metrics], textarea[placeholder^=metrics]", "nonsense")
    window.until("Invalid")
    assert window.evaluate("document.querySelectorAll('.notice.failed').length") == 1


def test_a_dead_mlflow_is_one_sentence(window: Browser) -> None:
    window.resize(*PHONE)
    with gateways.serving(app("http://127.0.0.1:1")) as page:
        window.open(page)
        text = window.until("MLflow does not answer. Try again in a moment.")
    assert text.count("MLflow does not answer") == 1
    assert "Traceback" not in text


def test_the_page_works_under_another_name_with_tls_that_a_proxy_ends(
    page: str, window: Browser, tmp_path: Path
) -> None:
    window.resize(*DESK)
    with tls_proxy(page, tmp_path) as port:
        window.open(f"https://{NAME}:{port}/")
        show(window, "Runs")
        traffic = [(status, url) for status, url in window.traffic() if not url.startswith(("data:", "blob:"))]
    assert [each for each in traffic if each[0] >= 400 or not each[1].startswith(f"https://{NAME}:{port}/")] == []


def test_each_user_sees_what_mlflow_shows_them_alone() -> None:
    """Two users ask at the same time, many times, through the same page."""

    def answer(request: Request, _body: bytes) -> Response:
        name = f"of {request.headers['authorization']} and {request.headers.get('cookie')}"
        return JSONResponse({"experiments": [{"experiment_id": "1", "name": name}]})

    with gateways.serving(gateways.StandIn(answer=answer, delay=0.02)) as url, gateways.serving(app(url)) as page:
        opened(page, "Bearer 0", "user=0")
        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(lambda number: opened(page, f"Bearer {number % 2}", f"user={number % 2}"), range(20)))
    for number, text in enumerate(seen):
        assert f"of Bearer {number % 2} and user={number % 2}" in text
        assert f"Bearer {1 - number % 2}" not in text


@contextmanager
def tls_proxy(page: str, folder: Path) -> Iterator[int]:
    """Run a proxy that ends TLS as an ingress does, and give its port."""
    certificate, key = tls.self_signed(folder, NAME)

    async def forward(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        headers = {**request.headers, "x-forwarded-proto": "https", "accept-encoding": "identity"}
        async with httpx.AsyncClient(base_url=page, timeout=60) as client:
            answer = await client.request(
                request.method, request.url.path, content=await request.body(), headers=headers
            )
        await Response(answer.content, answer.status_code, {"content-type": answer.headers["content-type"]})(
            scope, receive, send
        )

    with gateways.serving(forward, ssl_certfile=str(certificate), ssl_keyfile=str(key)) as url:
        yield int(url.rpartition(":")[2])


def opened(page: str, authorization: str, cookie: str) -> str:
    """Return what the page loads for a user, as its script would."""
    headers = {"authorization": authorization, "cookie": cookie}
    with httpx.Client(base_url=page, headers=headers, timeout=60) as client:
        config = re.search(r"window\.gradio_config = (\{.*?\});</script>", client.get("/").text, re.DOTALL)
        assert config
        events = json.loads(config[1])["dependencies"]
        load = next(each for each in events if any(target[1] == "load" for target in each["targets"]))
        body = {"data": [None], "fn_index": load["id"], "session_hash": "the same for all"}
        return client.post("/gradio_api/run/predict", json=body).raise_for_status().text
