import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import requests
from mlflow.server.constants import ARTIFACTS_DESTINATION_ENV_VAR
from moto.server import ThreadedMotoServer

from tests.support.gated_server import GatedServer, Models, gated_server, put_in
from tests.support.local_signer import LocalSigner
from workloads.tracking.gate import listing


# Of a module, as its environment variables are also those of the tests beside it.
@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatedServer]:
    with gated_server(tmp_path_factory.mktemp("gated")) as server:
        yield server


@pytest.fixture
def signer() -> LocalSigner:
    return LocalSigner()


@pytest.fixture
def server(running: GatedServer, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch) -> GatedServer:
    """The server, which trusts the first version of the signer's key, and seals files as soon as they are read."""
    running.trust(signer, 1)
    monkeypatch.setattr(listing, "SETTLED_AFTER", -1)
    return running


@pytest.fixture
def root() -> Path:
    return Path(os.environ[ARTIFACTS_DESTINATION_ENV_VAR])


@pytest.fixture
def models(server: GatedServer, root: Path) -> Models:
    return Models(server.client, put_in(root))


@pytest.fixture(scope="session")
def emulated_s3() -> Iterator[str]:
    """The address of an emulated S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, server: GatedServer, emulated_s3: str) -> str:
    """A bucket in an emulated S3, which is the server's artifact store."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ENDPOINT_URL_S3": emulated_s3,
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_DEFAULT_REGION": "us-east-1",
        ARTIFACTS_DESTINATION_ENV_VAR: "s3://artifacts/mlflow",
    }.items():
        monkeypatch.setenv(name, value)
    requests.post(f"{emulated_s3}/moto-api/reset", timeout=60).raise_for_status()
    boto3.client("s3").create_bucket(Bucket="artifacts")
    return "artifacts"


@pytest.fixture
def in_bucket(bucket: str, server: GatedServer) -> Models:
    """Models whose files are in the bucket."""
    s3 = boto3.client("s3")

    def put(path: str, content: bytes) -> None:
        s3.put_object(Bucket=bucket, Key=f"mlflow/{path}", Body=content)

    return Models(server.client, put)
