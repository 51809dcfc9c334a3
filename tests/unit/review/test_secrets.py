"""Comments hide secrets, even unmarked ones. The tests find the types with secrets in the SDKs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from review.exits import Exit
from tests.support.sdk import types_of
from tests.unit.review.conftest import Review

PACKAGES = ("pulumi_aws", "pulumi_kubernetes", "pulumi_random", "pulumi_vault")
Changed = Callable[..., str]


@pytest.fixture
def changed(review: Review, tmp_path: Path) -> Changed:
    """Return the comment on an update of properties without marked secrets."""

    def write(type_: str, inputs: dict[str, Any], *paths: str) -> str:
        both = [json.loads(json.dumps(inputs).replace("hunter2", text)) for text in ("hunter2", "hunter3")]
        step = {
            "op": "update",
            "urn": f"urn:pulumi:prod::aegis::{type_}::it",
            "oldState": {"custom": True, "inputs": both[0], "outputs": both[0]},
            "newState": {"custom": True, "inputs": both[1]},
            "detailedDiff": {path: {"kind": "update", "inputDiff": True} for path in paths or inputs},
        }
        file = tmp_path / "preview.json"
        file.write_text(json.dumps({"steps": [step], "changeSummary": {}}))
        result = review("comment", file)
        assert result.code is Exit.OK
        return result.out

    return write


@pytest.mark.parametrize("package", PACKAGES)
def test_a_property_that_an_sdk_marks_as_secret_is_blinded_without_a_mark(changed: Changed, package: str) -> None:
    places = {type_: schema.secrets for type_, schema in types_of(package).items() if schema.secrets}
    shown = [
        f"{type_}: {path}"
        for type_, paths in places.items()
        for path in paths
        if "hunter" in changed(type_, {path: "hunter2"})
    ]
    assert len(places) >= 2
    assert shown == []


@pytest.mark.parametrize(
    ("type_", "inputs", "path"),
    [
        ("kubernetes:core/v1:SecretPatch", {"metadata": {"annotations": {"copy": "hunter2"}}}, "metadata.annotations"),
        ("kubernetes:core/v1:SecretList", {"items": [{"data": {"user": "hunter2"}}]}, "items[0].data.user"),
        ("kubernetes:core/v1:ConfigMap", {"data": {"DB_PASSWORD": "hunter2"}}, "data.DB_PASSWORD"),
        ("kubernetes:core/v1:ConfigMapPatch", {"data": {"ini": "password = hunter2"}}, "data.ini"),
        ("kubernetes:core/v1:ConfigMapList", {"items": [{"data": {"TOKEN": "hunter2"}}]}, "items"),
        ("kubernetes:apps/v1:Deployment", {"env": [{"name": "PGPASSWORD", "value": "hunter2"}]}, "env[0].value"),
        ("kubernetes:apps/v1:Deployment", {"env": [{"name": "PGPASSWORD", "value": "hunter2"}]}, "env"),
        ("kubernetes:apps/v1:Deployment", {"args": ["--uri=postgresql://a:hunter2@db"]}, "args[0]"),
        ("kubernetes:helm.sh/v3:Release", {"values": {"auth": {"adminPassword": "hunter2"}}}, "values"),
        ("kubernetes:helm.sh/v3:Release", {"values": {"auth": {"token": "hunter2"}}}, "values.auth.token"),
        ("kubernetes:helm.sh/v3:Release", {"manifest": {"Secret": "hunter2"}}, "manifest"),
        ("aws:lambda/function:Function", {"environment": {"variables": {"API_KEY": "hunter2"}}}, "environment"),
        ("aws:ecs/taskDefinition:TaskDefinition", {"c": '[{"name":"TOKEN","value":"hunter2"}]'}, "c"),
        ("aws:ssm/parameter:Parameter", {"value": "hunter2"}, "value"),
        ("aws:secretsmanager/secretVersion:SecretVersion", {"secretString": "hunter2"}, "secretString"),
        ("vault:kv/secretV2:SecretV2", {"dataJson": '{"user":"hunter2"}'}, "dataJson"),
        ("random:index/randomId:RandomId", {"hex": "hunter2"}, "hex"),
        ("random:index/randomString:RandomString", {"result": "hunter2"}, "result"),
        ("tls:index/privateKey:PrivateKey", {"privateKeyPemPkcs8": "hunter2"}, "privateKeyPemPkcs8"),
        ("command:local:Command", {"stdout": "hunter2"}, "stdout"),
        ("acme:x:X", {"passwords": {"admin": "hunter2"}}, "passwords.admin"),
        ("acme:x:X", {"client_secret": ["hunter2"]}, "client_secret[0]"),
    ],
)
def test_a_secret_is_recognised_by_its_type_its_name_or_its_form(
    changed: Changed, type_: str, inputs: dict[str, Any], path: str
) -> None:
    comment = changed(type_, inputs, path)
    assert "hunter" not in comment
    assert "[secret]" in comment


@pytest.mark.parametrize(
    ("type_", "inputs", "path"),
    [
        ("kubernetes:core/v1:ConfigMap", {"data": {"user": "hunter2"}}, "data.user"),
        ("kubernetes:core/v1:Pod", {"volumes": [{"secret": {"secretName": "hunter2"}}]}, "volumes[0].secret"),
        ("kubernetes:core/v1:Pod", {"tolerations": [{"key": "hunter2"}]}, "tolerations[0].key"),
        ("kubernetes:core/v1:Pod", {"env": [{"name": "HOST", "value": "hunter2"}]}, "env[0].value"),
        ("kubernetes:helm.sh/v3:Release", {"values": {"image": {"tag": "hunter2"}}}, "values"),
        ("aws:dynamodb/table:Table", {"hashKey": "hunter2"}, "hashKey"),
        ("aws:rds/instance:Instance", {"kmsKeyId": "hunter2"}, "kmsKeyId"),
        ("random:index/randomPassword:RandomPassword", {"overrideSpecial": "hunter2"}, "overrideSpecial"),
    ],
)
def test_an_ordinary_value_is_shown(changed: Changed, type_: str, inputs: dict[str, Any], path: str) -> None:
    assert "hunter3" in changed(type_, inputs, path)


def test_a_secret_in_an_error_is_blinded(review: Review, tmp_path: Path) -> None:
    message = "error: can't connect to postgresql://mlflow:hunter2@db/mlflow, password=hunter2"
    file = tmp_path / "failed.ndjson"
    file.write_text(json.dumps({"sequence": 1, "diagnosticEvent": {"severity": "error", "message": message}}))
    for extra in ([], ["--json"]):
        out = review("comment", file, "--stack", "prod", *extra).out
        assert "postgresql://mlflow:[secret]@db/mlflow, password=[secret]" in out
        assert "hunter" not in out
