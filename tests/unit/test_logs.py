"""The lines that servers and jobs log."""

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contracts import Exit
from workloads import logs, messages

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("message", "hidden"),
    [
        ('https://s3:443 "PUT /b/k?X-Amz-Signature=0a1b2c&x=1 HTTP/1.1" 200', "0a1b2c"),
        ("headers {'Authorization': 'AWS4-HMAC-SHA256 Credential=AKIA/1, Signature=abc'}", "AWS4-HMAC-SHA256"),
        ('{"authorization": "Bearer eyJhbGciOi"}', "eyJhbGciOi"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("headers={b'Cookie': b'session=of-somebody'}", "of-somebody"),
        ("X-Vault-Token: hvs.abc", "hvs.abc"),
        ("[(b'authorization', b'Bearer eyJhbGciOi'), (b'accept', b'*/*')]", "eyJhbGciOi"),
        ("GET https://api.example.com/v1?alt=json&key=AIzaSy0 HTTP/1.1", "AIzaSy0"),
        ("GET https://api.example.com/v1?token=t0k3n HTTP/1.1", "t0k3n"),
        ("api-key: 0a1b2c3d", "0a1b2c3d"),
        ("{'x-goog-api-key': 'AIzaSy0'}", "AIzaSy0"),
        ("duplicate key\nDETAIL:  Key (value)=(a\nvalue) already exists.\n\n[SQL: INSERT", "value)"),
        ("violates check\nDETAIL:  Failing row contains (a value, 1).", "a value"),
        ("[SQL: INSERT INTO tags VALUES (?)]\n[parameters: ('a value',)]\n(Background on", "a value"),
        ("postgresql://mlflow:a-password@db/mlflow", "a-password"),
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_of_a_library_shows_no_credential(
    monkeypatch: pytest.MonkeyPatch, message: str, hidden: str, form: str
) -> None:
    monkeypatch.setenv("AEGIS_LOGS", form)
    record = logging.LogRecord("urllib3", logging.DEBUG, "", 0, "%s", (message,), None)
    line = logs.formatter("%(message)s").format(record)
    assert hidden not in line
    assert "***" in line


@pytest.mark.parametrize(
    ("logger", "message", "shown"),
    [
        (
            "mlflow.webhooks.delivery",
            (
                "Failed to send to https://hooks.example.com/services/T0/s3cr3t for event x: HTTPSConnectionPool("
                "host='hooks.example.com', port=443): Max retries exceeded with url: /services/T0/s3cr3t (Caused by x)"
            ),
            (
                "Failed to send to https://hooks.example.com/*** for event x: HTTPSConnectionPool("
                "host='hooks.example.com', port=443): Max retries exceeded with url: /*** (Caused by x)"
            ),
        ),
        (
            "urllib3.connectionpool",
            'https://hooks.example.com:443 "POST /services/T0/s3cr3t HTTP/1.1" 200 None',
            'https://hooks.example.com:443 "POST /*** HTTP/1.1" 200 None',
        ),
        (
            "urllib3.connectionpool",
            "Retrying (Retry(total=2)) after connection broken by 'TimeoutError()': /services/T0/s3cr3t",
            "Retrying (Retry(total=2)) after connection broken by 'TimeoutError()': /***",
        ),
        (
            "mlflow.webhooks.delivery",
            'File "/usr/lib/python3/requests/api.py", line 3',
            'File "/usr/lib/python3/requests/api.py", line 3',
        ),
    ],
)
def test_of_the_address_of_a_webhook_only_the_host_is_logged(
    monkeypatch: pytest.MonkeyPatch, logger: str, message: str, shown: str
) -> None:
    monkeypatch.delenv("AEGIS_LOGS", raising=False)
    record = logging.LogRecord(logger, logging.ERROR, "", 0, "%s", (message,), None)
    assert logs.formatter("%(message)s").format(record) == shown


@pytest.mark.parametrize(
    "text", ["[parameters: ", "DETAIL:  Key (", "authorization: ", "api-key", "Key (value)=(", "/a'"]
)
def test_a_long_message_is_cleaned_in_time_that_grows_with_its_length(text: str) -> None:
    def seconds(times: int) -> float:
        began = time.process_time()
        messages.without_paths(messages.without_credentials(text * times))
        return time.process_time() - began

    # In quadratic time, the longer one would take 100 times as long, which is seconds.
    assert seconds(20_000) < max(0.5, 20 * seconds(2_000))


def test_a_line_of_text_has_the_fields_after_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AEGIS_LOGS", raising=False)
    record = logging.makeLogRecord(
        {"msg": "", "name": "aegis.request", **logs.fields(route="/x", status=200, run_id=None)}
    )
    assert logs.formatter("%(name)s: %(message)s").format(record) == "aegis.request: route=/x status=200"


def python(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def job(module: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return python("-m", module, **variables)


def made_up_job(imports: str, *body: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a job that is not one of ours; `body` are the statements of its `main`."""
    lines = [
        "import logging",
        "from workloads import cli",
        imports,
        "def main(argv):",
        *(f"    {line}" for line in body),
    ]
    return python("-c", "\n".join([*lines, "    return 0", "cli.run(main, [])"]), **variables)


def test_at_the_level_debug_a_job_shows_no_secret_that_it_reads() -> None:
    ended = made_up_job(
        "import boto3, moto",
        "with moto.mock_aws():",
        "    client = boto3.client('secretsmanager', region_name='eu-west-1')",
        "    client.create_secret(Name='rds', SecretString='the text of the secret')",
        "    client.get_secret_value(SecretId='rds')",
        "logging.getLogger('workloads.made_up').debug('it is read')",
        AEGIS_LOG_LEVEL="debug",
    )
    assert "it is read" in ended.stderr
    assert "the text of the secret" not in ended.stderr


def test_at_the_level_debug_a_job_shows_no_value_of_a_statement() -> None:
    ended = made_up_job(
        "from sqlalchemy import create_engine, text",
        "with create_engine('sqlite://').connect() as connection:",
        "    connection.execute(text('SELECT :value'), {'value': 'a value of a tag'})",
        AEGIS_LOG_LEVEL="debug",
    )
    assert ended.returncode == Exit.OK
    assert "a value of a tag" not in ended.stderr


@pytest.mark.parametrize(("imports", "statement"), [("import mlflow", "pass"), ("", "import mlflow")])
def test_mlflow_s_lines_have_the_form_of_the_job_s(imports: str, statement: str) -> None:
    """Whether MLflow is imported before the job sets up its log, or later."""
    ended = made_up_job(
        imports,
        statement,
        "logging.getLogger('mlflow.store').warning('lost postgresql://mlflow:a-password@db/mlflow')",
        AEGIS_LOGS="json",
    )
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["message"] for line in lines if line["logger"] == "mlflow.store"] == [
        "lost postgresql://***@db/mlflow"
    ]


def test_a_job_ends_with_one_line_of_json_that_says_how() -> None:
    ended = job("workloads.database.prepare", AEGIS_LOGS="json", PGHOST="")
    line = json.loads(ended.stderr)
    assert (line["job"], line["status"], ended.returncode) == ("workloads.database.prepare", Exit.USAGE, Exit.USAGE)
    assert "PGHOST is not set" in line["message"]
    assert line["seconds"] >= 0


def test_a_form_of_lines_that_does_not_exist_is_refused() -> None:
    ended = job("workloads.database.prepare", AEGIS_LOGS="yaml")
    assert ended.stderr == "error: AEGIS_LOGS must be one of text, json, got 'yaml'.\n"
    assert ended.returncode == Exit.USAGE
