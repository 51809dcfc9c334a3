"""The platform's own S3 server, prepared as by the stack's Job: each S3 user can use its own bucket only."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import requests
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from contracts import Env, Exit
from local import toolchain
from tests.platform import backup_servers as servers

ROOT = Path(__file__).parents[2]
REGION = "us-west-2"
ROOT_KEYS = ("root", "the-root-key")
OWNERS = {"mlflow-artifacts": ("mlflow", "key-of-mlflow"), "mlflow-backups": ("backup", "key-of-backup")}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = toolchain.ensure("versitygw")["versitygw"]
    with servers._folder() as folder:
        for name in ("data", "iam", "metadata"):
            (folder / name).mkdir()
        port = servers._free_port()
        address = f"127.0.0.1:{port}"
        argv = [server, "--port", address, "--iam-dir", folder / "iam", "posix", "--sidecar", folder / "metadata",
                folder / "data"]  # fmt: skip
        variables = {"ROOT_ACCESS_KEY": ROOT_KEYS[0], "ROOT_SECRET_KEY": ROOT_KEYS[1], "VGW_REGION": REGION}
        with servers._process(argv, folder, env=os.environ | variables):
            servers._wait(lambda: requests.get(f"http://{address}", timeout=1), requests.ConnectionError)
            yield f"http://{address}"


def prepare(endpoint: str, owners: dict[str, tuple[str, str]] = OWNERS) -> subprocess.CompletedProcess[str]:
    listed = [{"bucket": bucket, "access_key": keys[0], "secret_key": keys[1]} for bucket, keys in owners.items()]
    variables = {
        Env.BUCKET_OWNERS: json.dumps(listed),
        Env.S3_ENDPOINT: endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ROOT_KEYS[0],
        "AWS_SECRET_ACCESS_KEY": ROOT_KEYS[1],
    }
    return subprocess.run(
        [sys.executable, "-m", "workloads.object_store.prepare"],
        env=os.environ | variables, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def client(endpoint: str, keys: tuple[str, str]) -> BaseClient:
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=keys[0], aws_secret_access_key=keys[1]
    )


def refusal(call: object, **arguments: object) -> str:
    assert callable(call)
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def test_each_user_can_use_its_own_bucket_only(endpoint: str) -> None:
    done = prepare(endpoint)
    assert done.returncode == Exit.OK, done.stderr
    assert "key-of" not in done.stdout + done.stderr
    mlflow, backup = client(endpoint, OWNERS["mlflow-artifacts"]), client(endpoint, OWNERS["mlflow-backups"])
    mlflow.put_object(Bucket="mlflow-artifacts", Key="0/model", Body=b"weights")
    assert mlflow.get_object(Bucket="mlflow-artifacts", Key="0/model")["Body"].read() == b"weights"
    assert refusal(backup.get_object, Bucket="mlflow-artifacts", Key="0/model") == "AccessDenied"
    assert refusal(backup.put_object, Bucket="mlflow-artifacts", Key="0/model", Body=b"") == "AccessDenied"
    assert refusal(backup.delete_object, Bucket="mlflow-artifacts", Key="0/model") == "AccessDenied"
    assert refusal(backup.list_objects_v2, Bucket="mlflow-artifacts") == "AccessDenied"
    assert refusal(backup.create_bucket, Bucket="another") == "AccessDenied"
    backup.put_object(Bucket="mlflow-backups", Key="dump", Body=b"rows")


def test_a_second_run_keeps_the_objects_and_sets_a_new_key(endpoint: str) -> None:
    assert prepare(endpoint).returncode == Exit.OK
    client(endpoint, OWNERS["mlflow-artifacts"]).put_object(Bucket="mlflow-artifacts", Key="kept", Body=b"kept")
    renewed = {"mlflow-artifacts": ("mlflow", "a-new-key")}
    assert prepare(endpoint, renewed).returncode == Exit.OK
    kept = client(endpoint, renewed["mlflow-artifacts"]).get_object(Bucket="mlflow-artifacts", Key="kept")
    assert kept["Body"].read() == b"kept"
    assert prepare(endpoint).returncode == Exit.OK


def test_a_user_that_is_not_the_administrator_is_refused(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepare(endpoint).returncode == Exit.OK
    monkeypatch.setattr("tests.platform.test_bucket_owners.ROOT_KEYS", OWNERS["mlflow-artifacts"])
    refused = prepare(endpoint, {"stolen": OWNERS["mlflow-artifacts"]})
    assert refused.returncode == Exit.OBJECT_STORE
    assert refused.stderr.startswith("error: The object store refused /create-user: 403")
