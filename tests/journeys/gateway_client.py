"""Use the gateway as a client without any library does, and print the outcome as JSON.

usage: gateway_client.py ADDRESS look|log|register|unsigned_stage
       gateway_client.py ADDRESS deploy|predict|remove MODEL   (a model of trained.py with the quality 0.7)

Standard library only, as pods run it, too.
"""

import hashlib
import json
import math
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from typing import Any

AUTHORITY = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
API = f"{sys.argv[1]}/api/mlflow"
NAME = f"journeys-gateway-{time.time_ns()}"
# Served models answer 503 with Retry-After until they are served.
NOT_YET = 503
CONTENT = bytes(range(256)) * 4000


def ask(path: str, body: object = None, method: str | None = None) -> Any:
    """Send a request, with a body of JSON or of bytes, and return the answer's JSON or bytes."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
    request = urllib.request.Request(f"{API}/{path}", data, {"Content-Type": kind}, method=method)  # noqa: S310 - of this test
    context = ssl.create_default_context(cafile=AUTHORITY) if AUTHORITY else None
    with urllib.request.urlopen(request, timeout=60, context=context) as answer:  # noqa: S310 - the same
        content = answer.read()
        return json.loads(content) if "json" in answer.headers.get("content-type", "") else content


def start() -> tuple[str, str]:
    experiment = ask("experiments/create", {"name": NAME, "description": "of a journey"})["experiment_id"]
    run = ask(f"experiments/{experiment}/runs/start", {"run_name": "first", "tags": {"journey": "gateway"}})["run_id"]
    return experiment, run


def look() -> None:
    for path in ("health", "info", "version", "experiments", "models", "serving/models"):
        ask(path)


def log() -> None:
    experiment, run = start()
    ask(f"runs/{run}/log-params", {"params": {"lr": 0.1}})
    ask(f"runs/{run}/log-metrics", {"metrics": {"loss": 0.25}, "step": 1})
    ask(f"runs/{run}/log-artifacts?path=weights.bin", CONTENT)
    ask(f"experiments/{experiment}/runs/{run}/end", {"status": "FINISHED"})
    found = ask(f"runs/{run}")["run"]
    assert found["info"]["status"] == "FINISHED", found
    assert found["data"]["metrics"][0]["value"] == 0.25, found
    assert ask(f"runs/{run}/artifacts")["files"][0]["path"] == "weights.bin"
    back = ask(f"runs/{run}/artifacts/weights.bin")
    assert hashlib.sha256(back).digest() == hashlib.sha256(CONTENT).digest()


def registered() -> str:
    _, run = start()
    ask(f"runs/{run}/log-artifacts?path=model/MLmodel", b"flavors: {}\n")
    return ask("models/register", {"name": NAME, "source": f"runs:/{run}/model", "run_id": run})["model_version"][
        "version"
    ]


def register() -> None:
    version = registered()
    assert ask(f"models/{NAME}")
    assert ask(f"models/{NAME}/versions")
    ask(f"models/{NAME}/versions/{version}/stage", {"stage": "Archived"})


def unsigned_stage() -> None:
    ask(f"models/{NAME}/versions/{registered()}/stage", {"stage": "Production"})


def deploy() -> None:
    """Deploy the champion, and wait for its first prediction."""
    resources = {"cpu": "25m", "memory": "512Mi"}
    ask("serving/models/deploy", {"model_name": sys.argv[3], "resources": resources})
    while True:
        try:
            return predict()
        except urllib.error.HTTPError as error:
            if error.code != NOT_YET:
                raise
            time.sleep(int(error.headers["retry-after"]))


def predict() -> None:
    [answer] = ask(f"serving/models/{sys.argv[3]}/predict", {"inputs": [1.0]})["predictions"]
    assert math.isclose(answer, 1.7), answer


def remove() -> None:
    ask(f"serving/models/{sys.argv[3]}", method="DELETE")


def main() -> int:
    actions = {each.__name__: each for each in (look, log, register, unsigned_stage, deploy, predict, remove)}
    began, reason = time.monotonic(), None
    try:
        actions[sys.argv[2]]()
    except urllib.error.HTTPError as error:
        reason = f"{error.code} {error.read().decode(errors='replace')}"
    print(json.dumps({"reason": reason, "seconds": time.monotonic() - began}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
