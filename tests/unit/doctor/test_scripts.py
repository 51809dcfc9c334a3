"""The scripts that run in the platform's pods tell what the checks need."""

import ast
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

import aegis
from workloads.doctor import database, network, signatures, store
from workloads.migration import schema

FOLDER = Path(database.__file__).parent
# The code of this repository in the image of the tracking server (workloads/images/mlflow), of which each pod has part.
IN_EVERY_POD = {"aegis", "contracts"}


def test_the_head_is_that_of_the_migrations_of_the_installed_mlflow() -> None:
    assert database.head() == schema.scripts().get_current_head()


def test_the_pool_is_that_of_the_servers_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_WORKERS", "2")
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "8")
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW", "1")
    assert database.pool() == {"workers": 2, "size": 8, "overflow": 1}


def test_a_port_that_listens_is_open_and_one_that_does_not_gives_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert network.attempt(f"127.0.0.1:{port}") == "open"
    assert network.attempt(f"127.0.0.1:{port}") == "Connection refused"


def test_a_name_that_nobody_knows_is_told_apart_from_a_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    assert network.attempt("vault.vault.svc:8200") == "unknown name"


@mock_aws
def test_the_presigned_address_is_of_an_object_in_mlflows_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_DIRECT_TRANSFERS", "true")
    client = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    client.create_bucket(Bucket="artifacts")
    facts = store.facts(client, "artifacts", "mlflow")
    assert (facts["bucket"], facts["direct"]) == ("artifacts", True)
    assert "/mlflow/aegis-doctor?" in facts["presigned"]


@mock_aws
def test_an_object_of_the_bucket_is_named_if_there_is_one() -> None:
    client = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    client.create_bucket(Bucket="artifacts")
    before = store.facts(client, "artifacts", "mlflow")["object"]
    client.put_object(Bucket="artifacts", Key="mlflow/0/model.pkl", Body=b"")
    assert (before, store.facts(client, "artifacts", "mlflow")["object"]) == (None, "mlflow/0/model.pkl")


def model(name: str, **aliases: str) -> Any:
    return SimpleNamespace(name=name, aliases=aliases)


def test_an_alias_of_a_version_that_does_not_verify_has_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_GUARDED_ALIASES", "champion,candidate")

    def verify(uri: str) -> None:
        if uri == "models:/digits/2":
            raise aegis.NotVerifiedError("it is not signed")

    models = [model("digits", Champion="1", mine="2"), model("empty")]
    assert signatures.facts(models, verify)["aliases"] == [
        {"model": "digits", "alias": "Champion", "version": "1", "guarded": True, "reason": None},
        {"model": "digits", "alias": "mine", "version": "2", "guarded": False, "reason": "it is not signed"},
    ]


def test_a_registry_with_many_aliases_is_checked_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "_MOST", 1)
    models = [model("digits", a="1", b="2", c="3")]
    assert signatures.facts(models, lambda _: None)["unchecked"] == 2


@pytest.mark.parametrize("script", sorted(FOLDER.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_a_script_needs_none_of_the_repositorys_code_that_a_pod_lacks(script: Path) -> None:
    tree = ast.parse(script.read_text())
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    own = {"aegis", "contracts", "infra", "laptop", "local", "workloads"}
    assert {name.partition(".")[0] for name in names} & own <= IN_EVERY_POD
