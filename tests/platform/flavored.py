"""Log a run with a tiny model of one kind, and print what the model answers before it is logged, as JSON.

usage: flavored.py pytorch|code EXPERIMENT   (MLFLOW_TRACKING_URI is the address of the tracking server)
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
import numpy as np
import torch
from mlflow import pytorch as mlflow_pytorch
from mlflow.models import infer_signature
from torch import nn

from tests.support import tiny_language_model
from workloads.serving.code_generation import PROMPT
from workloads.serving.code_model import CodeModel, log_code_model

SAMPLES = "samples.npy"
PROMPTS = ["def add", "print("]
NEW_TOKENS = 4


def pytorch() -> dict[str, Any]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    samples = np.random.default_rng(0).normal(size=(5, 2, 2)).astype(np.float32)
    np.save(SAMPLES, samples)
    with torch.no_grad():
        expected = network(torch.from_numpy(samples)).numpy()
    mlflow_pytorch.log_model(
        network,
        name="model",
        signature=infer_signature(samples, expected),
        input_example=samples,
        serialization_format="pt2",
        pip_requirements=["mlflow", "torch"],
    )
    return {"inputs": samples.tolist(), "outputs": expected.tolist()}


def code() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        weights = tiny_language_model.save(tiny_language_model.gpt2(), Path(folder) / "weights")
        logged = log_code_model(CodeModel(weights=weights))
    model = mlflow.pyfunc.load_model(logged.model_uri)
    answer = model.predict({PROMPT: PROMPTS}, params={"max_new_tokens": NEW_TOKENS})
    return {"inputs": PROMPTS, "outputs": list(answer["text"])}


KINDS: dict[str, Callable[[], dict[str, Any]]] = {"pytorch": pytorch, "code": code}


def main() -> int:
    kind, experiment = sys.argv[1:]
    mlflow.set_experiment(experiment)
    with mlflow.start_run() as run:
        answers = KINDS[kind]()
        mlflow.log_metric("quality", 1.0)
    print(json.dumps(answers | {"run": run.info.run_id}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
