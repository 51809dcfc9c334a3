"""The figures of servers that answer well, late or too much."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from workloads.serving.reconciler import scraping
from workloads.serving.rollout.figures import Figures
from workloads.serving.rollout.situation import Observed, Pod, Version

TEXT = (
    "# TYPE aegis_model_server_requests counter\n"
    'aegis_model_server_requests_total{route="/invocations",status="200"} 7\n'
)


class Dripping(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b"#"
            await asyncio.sleep(0.02)


def scrape(**answers: httpx.Response | Exception) -> Mapping[str, Figures]:
    """Return the figures of pods by their names, and their answers."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = answers[request.url.host]
        if isinstance(found, Exception):
            raise found
        return found

    async def run() -> Mapping[str, Figures]:
        pods = tuple(Pod(name=name, address=name, ready=True) for name in answers)
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            found = scraping.scrape(client, Observed(versions={"1": Version(pods=pods)}))
            return await asyncio.wait_for(found, 5)

    return asyncio.run(run())


def test_a_server_that_does_not_answer_has_no_figures() -> None:
    assert scrape(good=httpx.Response(200, text=TEXT), dead=httpx.ConnectError("refused")) == {
        "good": Figures(requests=7)
    }


def test_a_server_that_sends_a_little_for_ever_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraping, "_TIMEOUT", 0.2)
    assert scrape(slow=httpx.Response(200, stream=Dripping())) == {}


def test_a_server_that_sends_too_much_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraping, "_LARGEST", 10)
    assert scrape(large=httpx.Response(200, text=TEXT)) == {}
