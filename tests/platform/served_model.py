"""A served model on the platform, as its clients and its operators see it."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from mlflow.entities.model_registry import ModelVersion

import contracts
from contracts import Exit
from tests.platform.gated_platform import CHAMPION, Platform
from tests.platform.kubectl import Kubectl, eventually
from workloads.serving.rollout import names

SMALL: Final = ("--replicas", "1", "--cpu", "25m", "--memory", "512Mi")


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model with two signed versions: the first one adds 0.5 to its input, the second one 0.75."""

    platform: Platform
    first: ModelVersion
    second: ModelVersion
    folder: Path

    @property
    def name(self) -> str:
        return self.platform.model

    def command(self, *arguments: str) -> tuple[int, str]:
        done = self.platform.command("-m", "workloads.serving", *arguments, folder=self.folder)
        return done.returncode, done.stdout + done.stderr

    def ask(self, path: str, body: dict[str, Any] | None = None, *, method: str = "POST") -> requests.Response:
        """Send a request to the gateway's API of served models."""
        api = self.platform.variables[contracts.GATEWAY_URL_ENV]
        return requests.request(method, f"{api}/api/mlflow/serving/models{path}", json=body, timeout=60)

    def predict(self, number: float) -> requests.Response:
        return self.ask(f"/{self.name}/predict", {"inputs": [number]})

    def answers(self, expected: float) -> bool:
        answer = self.predict(1.0)
        return answer.status_code == 200 and answer.json() == {"predictions": [pytest.approx(expected)]}

    def move(self, version: ModelVersion, alias: str = CHAMPION) -> None:
        self.platform.client.set_registered_model_alias(self.name, alias, version.version)

    def states(self) -> list[dict[str, Any]]:
        """Return what the gateway says of the model: one entry while it is wanted or served."""
        return [each for each in self.ask("", method="GET").json()["models"] if each["model"] == self.name]

    def until(self, state: str, version: ModelVersion, *, seconds: float = 60) -> dict[str, Any]:
        """Wait until the model has a state with this version as the wanted one, and return what is told of it."""

        def told() -> dict[str, Any] | None:
            found = [each for each in self.states() if str(each["wanted_version"]) == str(version.version)]
            return next((each for each in found if each["state"] == state), None)

        return eventually(told, seconds=seconds)

    def serve_the_champion(self, *options: str) -> None:
        code, printed = self.command("deploy", self.name, *SMALL, *options, "--timeout", "240")
        assert code == Exit.OK, printed

    def in_the_server(self, program: str, *arguments: str) -> str:
        """Run a Python program in the model's pod."""
        kubectl = Kubectl(contracts.SERVING_NAMESPACE)
        selector = f"--selector=aegis.serving/part=server,aegis.serving/model={names.label(self.name)}"
        [pod, *_] = kubectl.json("get", "pods", selector)["items"]
        return kubectl("exec", pod["metadata"]["name"], "-c", "server", "--", "python", "-c", program, *arguments)

    def end(self) -> None:
        """Serve the model no more."""
        self.command("remove", self.name)
        self.ask(f"/{self.name}", method="DELETE")
        # The record of the removal needs those before it. Whether it was removed in time is no test's concern.
        with suppress(AssertionError):
            eventually(lambda: not self.states(), seconds=60)


@contextmanager
def served_model(platform: Platform, folder: Path) -> Iterator[Served]:
    """Release two versions, make the first one the champion, and remove all that was made at the end."""
    try:
        first, second = (platform.release(quality, folder) for quality in ("0.5", "0.75"))
        served = Served(platform=platform, first=first, second=second, folder=folder)
        served.move(first)
        yield served
        served.end()
    finally:
        platform.remove()


@dataclass
class Load:
    """Statuses of the predictions that were asked for, one after another."""

    statuses: Counter[int] = field(default_factory=Counter)


@contextmanager
def load(served: Served) -> Iterator[Load]:
    """Ask for predictions until the end of the block."""
    seen, done = Load(), threading.Event()

    def ask() -> None:
        while not done.is_set():
            seen.statuses[served.predict(1.0).status_code] += 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        done.set()
        for thread in threads:
            thread.join()


PREDICT: Final = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), {"Content-Type": "application/json"})
print(urllib.request.urlopen(request, timeout=20).read().decode())
"""
