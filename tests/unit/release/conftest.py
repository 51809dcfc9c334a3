import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from tests.support.local_signer import LocalSigner
from tests.support.tracking_store import Experiment, database
from workloads import retry
from workloads.mlflow_client import Tracking
from workloads.release.bucket import Bucket


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without waiting."""
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)


@pytest.fixture
def tracking() -> Tracking:
    return Tracking(database(), create=True)


@pytest.fixture
def experiment(tracking: Tracking, tmp_path: Path) -> Experiment:
    return Experiment(tracking, tmp_path / "artifacts")


@pytest.fixture
def signer() -> LocalSigner:
    return LocalSigner()


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "trained"
    (directory / "data").mkdir(parents=True)
    (directory / "MLmodel").write_text("flavors: {}\n")
    (directory / "data" / "weights.bin").write_bytes(os.urandom(300_000))
    return directory


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket in an emulated S3."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AEGIS_RELEASES_BUCKET", "releases")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with mock_aws():
        boto3.client("s3").create_bucket(
            Bucket="releases", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
        yield Bucket.connect("releases")
