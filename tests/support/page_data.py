"""What the tests of the page look at: a search with curves, a model with all states of signatures, and its server."""

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.gateways import StandIn, serving
from tests.support.local_signer import LocalSigner
from tests.support.signed_version import evidence_of

EXPERIMENT: Final = "digits"
MODEL: Final = "digits-classifier"
# Would run a script, or a template, if a page took it for markup.
HOSTILE: Final = "<img src=x onerror=\"document.title='taken'\">{{this}}${1+1}"
_STEPS: Final = 40
_MLMODEL: Final = """\
flavors: {}
signature:
  inputs: '[{"type": "double", "name": "height", "required": true}, {"type": "long", "name": "width"}]'
"""


@dataclass(frozen=True, kw_only=True)
class Filled:
    """An MLflow with content: its newest experiment, a run that goes on, and the PEM file of the trusted key."""

    experiment: str
    going_on: str
    key: Path


def fill(url: str, folder: Path) -> Filled:
    """Fill the MLflow at `url`."""
    client = MlflowClient(url)
    hostile = client.create_experiment(HOSTILE)
    client.create_run(hostile, run_name=HOSTILE)
    experiment = client.create_experiment(EXPERIMENT, tags={"mlflow.note.content": "Handwritten digits, 8 by 8 pixels"})
    runs = [_trial(client, experiment, number) for number in range(12)]
    signer = LocalSigner()
    key = folder / "trusted.pem"
    key.write_bytes(signer.public_key().pem)
    _register(client, runs, signer)
    return Filled(experiment=experiment, going_on=runs[-1], key=key)


def _trial(client: MlflowClient, experiment: str, number: int) -> str:
    run_id = client.create_run(experiment, run_name=f"trial-{number:02}").info.run_id
    rate, layers = 10.0 ** -(1 + number % 4), 1 + number % 3
    params = {
        "lr": rate,
        "layers": layers,
        "optimizer": ("adam", "sgd")[number % 2],
        "batch_size": 32,
        "dropout": number / 20,
    }
    speed = 0.03 + 0.02 * layers + 0.01 * (number % 4)
    losses = [2.3 * math.exp(-speed * step) + 0.02 * number for step in range(_STEPS)]
    metrics = [Metric("loss", loss, 1_790_000_000_000 + 1000 * step, step) for step, loss in enumerate(losses)]
    metrics.append(Metric("val/accuracy", 1 - losses[-1] / 3, 1_790_000_100_000, _STEPS))
    client.log_batch(run_id, metrics, [Param(name, str(value)) for name, value in params.items()])
    if number < 11:
        client.set_terminated(run_id)
    return run_id


def _register(client: MlflowClient, runs: list[str], signer: LocalSigner) -> None:
    """Register versions that are signed, not signed, signed with another key, and signed for another run."""
    client.create_registered_model(MODEL)
    for run_id, tags in zip(runs, _evidence(runs, signer), strict=False):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "MLmodel").write_text(_MLMODEL)
            client.log_artifacts(run_id, folder, "model")
        root = client.get_run(run_id).info.artifact_uri
        client.create_model_version(MODEL, f"{root}/model", run_id, tags=tags)
    client.set_registered_model_alias(MODEL, "champion", "1")
    client.set_registered_model_alias(MODEL, "candidate", "2")


def _evidence(runs: list[str], signer: LocalSigner) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as parent:
        files = Path(parent, MODEL)
        files.mkdir()
        (files / "MLmodel").write_text(_MLMODEL)
        return [
            evidence_of(files, runs[0], signer),
            {},
            evidence_of(files, runs[2], LocalSigner()),
            evidence_of(files, runs[0], signer),
        ]


@contextmanager
def served() -> Iterator[str]:
    """Run a reconciler and a model server, and give the reconciler's address."""

    def predict(_request: Request, body: bytes) -> Response:
        return JSONResponse(
            {"predictions": [7]} if b"height" in body else {"error": "no height"}, 200 if b"height" in body else 400
        )

    with serving(StandIn(answer=predict)) as model:
        entry: dict[str, Any] = {"model": MODEL, "wanted_version": "1", "served_version": "1", "state": "serving"}
        with serving(StandIn(answer=lambda *_: JSONResponse([entry | {"service": model, "source": "tag"}]))) as url:
            yield url
