"""Read the metrics of the platform's pods through the API server, as no Service leads to them."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import contracts
from local.errors import LocalError
from local.figures.samples import Samples, Series, parse

# What each pod with metrics calls their port.
PORT_NAME = "metrics"
_SELECTOR = f"app.kubernetes.io/part-of={contracts.PROJECT}"
_SECONDS = 10
# Each is a process of kubectl.
_AT_ONCE = 8


def read(env: Mapping[str, str], context: str | None) -> Samples:
    """Return the metrics of all pods that have some; a pod that doesn't answer is left out.

    Raises:
        LocalError: The cluster was not started, or doesn't answer.
    """
    file = env.get("KUBECONFIG")
    if file and not Path(file).exists():
        # kubectl would ask localhost:8080, where another server may answer.
        raise LocalError(f"The cluster was not started, as there is no {file}.")
    listed = _kubectl(env, context, "get", "pods", "--all-namespaces", f"--selector={_SELECTOR}", "--output=json")
    if listed is None:
        raise LocalError("The cluster doesn't answer: `make status` shows its parts.")
    paths = [path for pod in json.loads(listed)["items"] for path in _paths(pod)]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as executor:
        texts = list(executor.map(lambda path: _kubectl(env, context, "get", f"--raw={path}"), paths))
    values: dict[Series, float] = {}
    for path, text in zip(paths, texts, strict=True):
        values |= _parsed(path, text or "")
    return Samples(at=time.monotonic(), values=values)


def _paths(pod: Mapping[str, Any]) -> Iterator[str]:
    metadata = pod["metadata"]
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", ()):
            if port.get("name") == PORT_NAME:
                place = f"{metadata['name']}:{port['containerPort']}"
                yield f"/api/v1/namespaces/{metadata['namespace']}/pods/{place}/proxy/metrics"


def _parsed(path: str, text: str) -> dict[Series, float]:
    try:
        return dict(parse(path, text))
    except ValueError:
        return {}


def _kubectl(env: Mapping[str, str], context: str | None, *arguments: str) -> str | None:
    command = ["kubectl", *([f"--context={context}"] if context else []), *arguments]
    try:
        result = subprocess.run(
            command,
            env=dict(env),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise LocalError("kubectl is not on PATH: `make up` builds it.") from None
    except subprocess.TimeoutExpired:
        return None
    return None if result.returncode else result.stdout
