"""A user's browser: Debian's Chromium in headless mode, controlled through chromedriver.

The protocol is W3C WebDriver, https://www.w3.org/TR/webdriver2/; the network log is Chromium's own addition,
https://developer.chrome.com/docs/chromedriver/logging/performance-log.
"""

import base64
import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

SECONDS = 40
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1500,1100",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
# https://www.w3.org/TR/webdriver2/#keyboard-actions
_ENTER = "\ue007"
_TEXT = "return document.body ? document.body.innerText : ''"


class Browser:
    """One browser window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        """Load a page, even if only its fragment (after the `#`) differs from the current page's."""
        self._post("/url", url="about:blank")
        self._get("/log")
        self._post("/url", url=url)

    def text(self) -> str:
        """Return the visible text of the page."""
        return self._post("/execute/sync", script=_TEXT, args=[])

    def until(self, *words: str) -> str:
        """Wait until all the words are on the page, and return its text."""
        deadline = time.monotonic() + SECONDS
        while True:
            text = self.text()
            if all(word in text for word in words):
                return text
            assert time.monotonic() < deadline, f"the page must contain all of {words}:\n{text[:2000]}"
            time.sleep(0.3)

    def until_drawn(self, shape: str) -> None:
        """Wait until the page has an element that matches a CSS selector."""
        deadline = time.monotonic() + SECONDS
        while not self._post(
            "/execute/sync", script="return document.querySelectorAll(arguments[0]).length", args=[shape]
        ):
            assert time.monotonic() < deadline, f"the page has no {shape}:\n{self.text()[:2000]}"
            time.sleep(0.3)

    def click(self, selector: str, text: str = "") -> None:
        """Wait for an element that matches a CSS selector and begins with `text`, and click on it."""
        script = (
            "const found = [...document.querySelectorAll(arguments[0])].find("
            "each => each.innerText.trim().startsWith(arguments[1]) && !each.disabled);"
            "if (found) found.click(); return Boolean(found)"
        )
        deadline = time.monotonic() + SECONDS
        while not self._post("/execute/sync", script=script, args=[selector, text]):
            assert time.monotonic() < deadline, f"the page has no {selector} {text!r}:\n{self.text()[:2000]}"
            time.sleep(0.3)

    def enter(self, selector: str, text: str) -> None:
        """Type `text` into the field that matches a CSS selector, and press Enter."""
        self.until_drawn(selector)
        (element,) = self._post("/element", using="css selector", value=selector).values()
        self._post(f"/element/{element}/value", text=f"{text}{_ENTER}")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression on the page."""
        return self._post("/execute/sync", script=f"return {expression}", args=[])

    def resize(self, width: int, height: int) -> None:
        """Give the page a size in CSS pixels, which may be smaller than a window can be."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._post("/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=size)

    def failures(self) -> list[str]:
        """Return the page's requests that were answered with an error."""
        failed = [f"{status} {url}" for status, url in self.traffic() if status >= 400]
        # The page asks whether the server has user accounts; without them, the answer is 404.
        return [each for each in failed if not each.endswith("/mlflow/users/current")]

    def traffic(self) -> list[tuple[int, str]]:
        """Return the status and address of each answer since the last call, and a status of 999 where none came."""
        messages = [json.loads(entry["message"])["message"] for entry in self._get("/log")]
        asked: dict[str, str] = {}
        found: list[tuple[int, str]] = []
        for each in messages:
            params = each["params"]
            if each["method"] == "Network.requestWillBeSent":
                asked[params["requestId"]] = params["request"]["url"]
            elif each["method"] == "Network.responseReceived":
                found.append((params["response"]["status"], params["response"]["url"]))
            elif each["method"] == "Network.loadingFailed" and not params.get("canceled"):
                found.append((999, asked.get(params["requestId"], "")))
        return found

    def picture(self, file: Path) -> None:
        """Save a screenshot of the window."""
        file.write_bytes(base64.b64decode(requests.get(f"{self._session}/screenshot", timeout=60).json()["value"]))

    def _get(self, path: str) -> Any:
        # The log is read by POST, which returns each entry only once.
        return self._post(f"/se{path}", type="performance")

    def _post(self, path: str, **body: Any) -> Any:
        answer = requests.post(f"{self._session}{path}", json=body, timeout=60).json()
        assert not isinstance(answer["value"], dict) or "error" not in answer["value"], answer["value"]
        return answer["value"]


@contextmanager
def browser(folder: Path, names: Mapping[str, str]) -> Iterator[Browser]:
    """Start a browser that resolves `names` to their addresses and trusts every certificate."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    rules = ",".join(f"MAP {name} {address}" for name, address in names.items())
    flags = [*_FLAGS, f"--user-data-dir={folder / 'profile'}", f"--host-resolver-rules={rules}"]
    capabilities = {
        "acceptInsecureCerts": True,
        "goog:chromeOptions": {"args": flags},
        "goog:loggingPrefs": {"performance": "ALL"},
    }
    with subprocess.Popen(["chromedriver", f"--port={port}", f"--log-path={folder / 'chromedriver.log'}"]) as driver:
        try:
            session = _session(f"http://127.0.0.1:{port}", capabilities)
            yield Browser(session)
            requests.delete(session, timeout=30)
        finally:
            driver.terminate()


def _session(driver: str, capabilities: Mapping[str, Any]) -> str:
    for _ in range(100):
        try:
            requests.get(f"{driver}/status", timeout=5)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    body = {"capabilities": {"alwaysMatch": capabilities}}
    answer = requests.post(f"{driver}/session", json=body, timeout=120).json()
    assert "sessionId" in answer["value"], answer["value"]
    return f"{driver}/session/{answer['value']['sessionId']}"
