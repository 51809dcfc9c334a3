"""The AWS shape on an emulated AWS: roles instead of keys, tokens instead of passwords, and data that survives a kill.

Runs alone, with the stack `ci` up in place of `local`.
"""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import boto3
import psycopg
import pytest
from mlflow import MlflowClient

import contracts
from local import env, paths, processes
from local.aws import account, embedded
from tests.platform.kubectl import Kubectl, eventually

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
ACCESS_KEY = re.compile(r"\b(AKIA|ASIA)[A-Z2-7]{16}\b")
KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

TAKE_ROLE = """
import os, urllib.error, urllib.parse, urllib.request
token = open('/var/run/aws/token').read()
form = {'Action': 'AssumeRoleWithWebIdentity', 'Version': '2011-06-15', 'RoleSessionName': 'other'}
form |= {'RoleArn': os.environ['ROLE'], 'WebIdentityToken': token}
try:
    urllib.request.urlopen(os.environ['ENDPOINT'], urllib.parse.urlencode(form).encode(), timeout=10)
    print('taken')
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    """Kill the emulated AWS, run `make up`, and return its summary."""
    running = processes.running(embedded.NAME)
    assert running, "the stack ci is not up: `make up STACK=ci` brings it up"
    os.kill(running.pid, signal.SIGKILL)
    command = [sys.executable, "-m", "local.up", "--stack", "ci", "--json"]
    result = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False, timeout=580)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def session(summary: dict[str, Any]) -> boto3.Session:
    """A session of the AWS account's administrator."""
    assert summary["stack"] == "ci"
    described = account.read(paths.config() / "aws.json")
    return boto3.Session(described.access_key, described.secret_key, region_name=described.region)


@pytest.fixture(scope="module")
def endpoint() -> str:
    return embedded.environment()[contracts.AWS_ENDPOINT_ENV]


@pytest.fixture(scope="module")
def mlflow(summary: dict[str, Any]) -> Kubectl:
    assert summary["stack"] == "ci"
    return Kubectl(contracts.MLFLOW_NAMESPACE)


def environment_of(pod: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in pod["spec"]["containers"][0].get("env", ())}


def test_a_killed_emulator_is_restarted_with_its_state(summary: dict[str, Any]) -> None:
    assert summary["changed_resources"] == 0


def test_a_preview_shows_no_change(summary: dict[str, Any]) -> None:
    command = [
        "pulumi",
        "preview",
        "--stack",
        summary["stack"],
        "--non-interactive",
        "--expect-no-changes",
        "--refresh",
    ]
    result = subprocess.run(
        command,
        cwd=paths.REPOSITORY,
        env=env.engine_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_run_is_logged_and_its_artifacts_are_in_the_bucket(
    summary: dict[str, Any], session: boto3.Session, endpoint: str
) -> None:
    release = summary["release"]
    assert release["verified"] is True
    # None of these is a default.
    assert (release["key"], release["model"], release["experiment"]) == ("aegis-ci-models", "ci-digits", "ci digits")
    s3 = session.client("s3", endpoint_url=endpoint)
    bucket, _, key = release["archive"].removeprefix("s3://").partition("/")
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0
    artifacts = bucket.replace("releases", "artifacts")
    logged = s3.list_objects_v2(Bucket=artifacts, Prefix=f"{contracts.MLFLOW_PREFIX}/")["Contents"]
    of_run = [each["Key"] for each in logged if release["run_id"] in each["Key"]]
    assert of_run
    assert s3.head_object(Bucket=artifacts, Key=of_run[0])["ServerSideEncryption"] == "aws:kms"


def test_no_pod_and_no_secret_holds_an_aws_key(mlflow: Kubectl) -> None:
    pods = mlflow.json("get", "pods", "--all-namespaces")["items"]
    assert not [
        f"{pod['metadata']['name']}: {variable}"
        for pod in pods
        for variable in environment_of(pod)
        if variable in KEY_VARIABLES
    ]
    for item in mlflow.json("get", "secrets,configmaps", "--all-namespaces")["items"]:
        values = item.get("data", {}).values()
        secret = item["kind"] == "Secret"
        text = "\n".join(base64.b64decode(value).decode(errors="replace") if secret else value for value in values)
        assert not ACCESS_KEY.search(text), f"{item['kind']} {item['metadata']['name']} contains an AWS access key"


def test_mlflow_reaches_its_database_over_tls_without_a_password(mlflow: Kubectl) -> None:
    server = mlflow.json("get", "pods", "--selector=app.kubernetes.io/name=mlflow")["items"][0]["metadata"]["name"]
    uri = mlflow("exec", server, "--", "printenv", contracts.Env.BACKEND_STORE_URI).strip()
    assert uri.startswith(f"{contracts.DATABASE_IAM_DRIVER}://mlflow@")
    assert f"sslmode=verify-full&sslrootcert={contracts.DATABASE_CA_PATH}" in uri
    postgres = account.read(paths.config() / "aws.json").postgres
    assert postgres
    with psycopg.connect(
        host=postgres.host, user=postgres.user, password=postgres.password, dbname="postgres", sslmode="require"
    ) as connection:
        sessions = connection.execute(
            "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'mlflow'"
        ).fetchall()
        assert sessions
        assert all(ssl for (ssl,) in sessions)
        role = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'mlflow'").fetchone()
        assert role == (None,)


def test_a_pod_with_another_service_account_is_refused_the_role(
    kubectl: Kubectl, mlflow: Kubectl, session: boto3.Session, endpoint: str
) -> None:
    annotations = mlflow.json("get", "serviceaccount", contracts.MLFLOW_SERVICE_ACCOUNT)["metadata"]["annotations"]
    role = annotations["eks.amazonaws.com/role-arn"]
    token = {"audience": contracts.AWS_TOKEN_AUDIENCE, "expirationSeconds": 600, "path": "token"}
    pod = kubectl.pod(
        "other",
        TAKE_ROLE,
        restartPolicy="Never",
        volumes=[{"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}}],
        volumeMounts=[{"name": "token", "mountPath": "/var/run/aws"}],
    )
    pod["spec"]["containers"][0]["env"] = [{"name": "ROLE", "value": role}, {"name": "ENDPOINT", "value": endpoint}]
    kubectl.apply(pod)
    answer = eventually(lambda: kubectl("logs", "other", check=False).strip())
    kubectl("delete", "pod", "other")
    assert answer.startswith("403 ")
    assert "AccessDenied" in answer
    # The same request with the role's own service account succeeds, so the service account was the reason.
    own = mlflow("create", "token", contracts.MLFLOW_SERVICE_ACCOUNT, f"--audience={contracts.AWS_TOKEN_AUDIENCE}")
    granted = session.client("sts", endpoint_url=endpoint).assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="own", WebIdentityToken=own.strip()
    )
    assert granted["Credentials"]["AccessKeyId"].startswith("ASIA")


def run_now(mlflow: Kubectl, cron_job: str) -> None:
    """Run a CronJob of the stack by hand."""
    mlflow("delete", "job", "by-hand", "--ignore-not-found")
    mlflow("create", "job", "by-hand", f"--from=cronjob/{cron_job}")
    mlflow("wait", "job/by-hand", "--for=condition=Complete", "--timeout=240s")
    mlflow("delete", "job", "by-hand")


def test_a_backup_is_created_and_verified_with_the_backup_role(mlflow: Kubectl) -> None:
    run_now(mlflow, "backup")


def test_the_candidate_is_promoted_with_the_signer_s_role(summary: dict[str, Any], mlflow: Kubectl) -> None:
    client = MlflowClient(summary["addresses"]["mlflow_url"])
    client.delete_registered_model_alias("ci-digits", "champion")
    run_now(mlflow, "promotion")
    aliases = client.get_registered_model("ci-digits").aliases
    assert aliases["champion"] == aliases["candidate"]
