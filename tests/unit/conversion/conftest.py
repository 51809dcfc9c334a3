"""A small network, trained on digits for a few steps, and its conversion, both made once."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
import torch
from mlflow import pytorch
from mlflow.models import infer_signature
from moto import mock_aws
from torch import nn
from torch.nn import functional

from tests.support.tracking_store import Experiment, database
from workloads import retry
from workloads.conversion import candidates, network
from workloads.conversion.conversion import Converted, Destination, convert
from workloads.conversion.network import Network
from workloads.conversion.request import Request
from workloads.mlflow_client import Tracking
from workloads.release.bucket import Bucket
from workloads.training.data import digits
from workloads.training.network import ResidualNetwork

_BATCH = 64
_STEPS = 60


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without waiting."""
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)


@pytest.fixture(scope="session")
def trained() -> nn.Module:
    train, _, _ = digits.load()
    pixels, labels = train.pictures.float(), train.labels
    with network.one_thread():
        torch.manual_seed(0)
        net = ResidualNetwork(
            channels=1, side=8, classes=10, width=8, mean=pixels.mean((0, 2, 3)), std=pixels.std((0, 2, 3))
        )
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
        for step in range(_STEPS):
            batch = torch.arange(step * _BATCH, (step + 1) * _BATCH) % len(labels)
            optimizer.zero_grad()
            functional.cross_entropy(net(pixels[batch]), labels[batch]).backward()
            optimizer.step()
    return net.eval()


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    _, validation, _ = digits.load()
    return validation.pictures.float().numpy()


def save(net: nn.Module, folder: Path, inputs: np.ndarray, **options: object) -> Path:
    """Save `net` as an MLflow model with a signature and an input example, as the trainer does by default."""
    defaults = {
        "signature": infer_signature(inputs, np.zeros((len(inputs), 10), np.float32)),
        "input_example": inputs,
        "serialization_format": "pt2",
        "pip_requirements": ["torch"],
    }
    with network.quiet():
        pytorch.save_model(net, str(folder), **(defaults | options))  # pyright: ignore[reportArgumentType]
    return folder


@pytest.fixture(scope="session")
def model_dir(trained: nn.Module, pictures: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(trained, tmp_path_factory.mktemp("trained") / "model", pictures[:4])


@pytest.fixture(scope="session")
def pickled_dir(trained: nn.Module, pictures: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pickled") / "model"
    return save(trained, folder, pictures[:4], serialization_format="pickle")


@pytest.fixture(scope="session")
def converted(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Converted, Path]:
    """The conversion of `model_dir` to all precisions, and its folder."""
    out = tmp_path_factory.mktemp("converted") / "onnx"
    request = Request(source=str(model_dir), precisions=("fp32", "fp16", "int8"))
    return convert(request, Destination(out=out)), out


@pytest.fixture
def exported_before(converted: tuple[Converted, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the ONNX file that was exported for `converted`, because an export takes seconds."""

    def export(_network: Network, _inputs: np.ndarray, path: Path, _opset: int) -> None:
        shutil.copy(converted[1] / "fp32" / "model.onnx", path)

    monkeypatch.setattr(candidates, "export", export)


@pytest.fixture
def tracking() -> Tracking:
    return Tracking(database(), create=True)


@pytest.fixture
def experiment(tracking: Tracking, tmp_path: Path) -> Experiment:
    return Experiment(tracking, tmp_path / "artifacts")


_names = itertools.count(1)


@pytest.fixture
def name() -> str:
    """A registered model that no other test uses."""
    return f"digits-onnx-{next(_names)}"


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket in an emulated S3."""
    monkeypatch.setenv("AEGIS_RELEASES_BUCKET", "releases")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with mock_aws():
        boto3.client("s3").create_bucket(
            Bucket="releases", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
        yield Bucket.connect("releases")
