"""An in-memory MLflow server with one experiment, run and model. Tests can replace each response with a bad one."""

import contextlib
import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

API: Final = "/api/2.0/mlflow"
ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts"
_MODEL_FILES: Final = "1/models/m-1/artifacts"

RUN: Final = {
    "info": {
        "run_id": "r1",
        "run_uuid": "r1",
        "run_name": "first",
        "experiment_id": "1",
        "status": "FINISHED",
        "start_time": 1,
        "artifact_uri": "mlflow-artifacts:/1/r1/artifacts",
        "lifecycle_stage": "active",
    },
    "data": {
        "metrics": [{"key": "val/accuracy", "value": 0.9, "timestamp": 1, "step": 1}],
        "tags": [{"key": "mlflow.source.git.commit", "value": "c0ffee"}],
    },
    "outputs": {"model_outputs": [{"model_id": "m-1", "step": 1}]},
}

# By path. Any other path is not found.
ANSWERS: Final[dict[str, Any]] = {
    f"{API}/experiments/get-by-name": {
        "experiment": {"experiment_id": "1", "name": "e", "artifact_location": "x", "lifecycle_stage": "active"}
    },
    f"{API}/runs/search": {"runs": [RUN]},
    f"{API}/runs/get": {"run": RUN},
    f"{API}/runs/create": {"run": RUN},
    f"{API}/runs/update": {"run_info": RUN["info"]},
    f"{API}/runs/log-batch": {},
    f"{API}/runs/log-inputs": {},
    f"{API}/logged-models/m-1": {
        "model": {
            "info": {
                "model_id": "m-1",
                "experiment_id": "1",
                "name": "model",
                "artifact_uri": f"mlflow-artifacts:/{_MODEL_FILES}",
                "status": "LOGGED_MODEL_READY",
                "source_run_id": "r1",
            }
        }
    },
    f"{API}/model-versions/search": {
        "model_versions": [{"name": "m", "version": "1", "run_id": "r1", "source": "models:/m-1", "tags": []}]
    },
    f"{API}/model-versions/set-tag": {},
    f"{API}/model-versions/get": {"model_version": {"name": "m", "version": "1", "run_id": "r1", "tags": []}},
    f"{API}/registered-models/alias": {},
    f"{API}/registered-models/set-tag": {},
    f"{API}/registered-models/get": {"registered_model": {"name": "m"}},
    ARTIFACTS: {"files": [{"path": "MLmodel", "is_dir": False, "file_size": "4"}]},
    f"{ARTIFACTS}/{_MODEL_FILES}/MLmodel": {"a": 1},
    f"{ARTIFACTS}/1/r1/artifacts/config.json": {},
}


class FakeMlflow:
    """The server's state: `requests` are the requested paths, `bad` replaces the status and body for a path."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.requests: list[str] = []
        self.bad: dict[str, tuple[int, bytes]] = {}

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return the status and body for a request."""
        self.requests.append(path)
        if path in self.bad:
            return self.bad[path]
        if path in ANSWERS:
            return 200, json.dumps(ANSWERS[path]).encode()
        return 404, json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such thing"}).encode()

    def reset(self) -> None:
        """Restore the good responses."""
        self.requests.clear()
        self.bad.clear()


def answers() -> dict[str, Any]:
    """Return a copy of the good responses."""
    return copy.deepcopy(ANSWERS)


@contextlib.contextmanager
def fake_mlflow() -> Iterator[FakeMlflow]:
    """Serve on a free port of this machine."""
    server = _Server(("127.0.0.1", 0), _Handler)
    mlflow = FakeMlflow(f"http://127.0.0.1:{server.server_address[1]}")
    _Handler.mlflow = mlflow
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield mlflow
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that closed the connection after a bad response."""


class _Handler(BaseHTTPRequestHandler):
    mlflow: FakeMlflow
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = self.mlflow.answer(urlsplit(self.path).path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Log nothing."""
