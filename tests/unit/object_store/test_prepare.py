"""Creation of the buckets and their owners, against a server on loopback that answers as versitygw does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import pytest
from botocore.credentials import Credentials

from contracts import Env, Exit
from workloads.cli import WorkloadError
from workloads.object_store import prepare
from workloads.object_store.admin import Admin
from workloads.object_store.prepare import BucketOwner

OWNER = BucketOwner(bucket="mlflow-artifacts", access_key="mlflow", secret_key="the-secret-key")


class Gateway(ThreadingHTTPServer):
    """Keeps S3 users and the owners of buckets; accepts requests of the root user only."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.users: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.lines: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Gateway  # pyright: ignore[reportIncompatibleVariableOverride] - the only server that uses it

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.lines.append(self.requestline)
        self.answer(*self.act(urlparse(self.path).path, parse_qs(urlparse(self.path).query), body))

    def act(self, path: str, query: dict[str, list[str]], body: str) -> tuple[int, str]:
        users, owners = self.server.users, self.server.owners
        if "Credential=root/" not in self.headers.get("Authorization", ""):
            return 403, "<Error><Code>AccessDenied</Code><Message>only for administrators</Message></Error>"
        if path == "/create-user":
            return create(users, text(body, "Access"), text(body, "Secret"))
        if path == "/update-user":
            users[query["access"][0]] = text(body, "Secret")
        elif path == "/change-bucket-owner":
            owners[query["bucket"][0]] = query["owner"][0]
        else:
            return create(owners, path.split("/")[1], self.headers["x-vgw-owner"])
        return 200, ""

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Print nothing."""


def create(things: dict[str, str], name: str, value: str) -> tuple[int, str]:
    if name in things:
        return 409, "exists"
    things[name] = value
    return 201, ""


def text(body: str, element: str) -> str:
    return body.partition(f"<{element}>")[2].partition(f"</{element}>")[0]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def admin(gateway: Gateway, access_key: str = "root") -> Admin:
    return Admin(gateway.url, "us-west-2", Credentials(access_key, "root-key"))


def test_each_bucket_is_created_for_its_owner(gateway: Gateway) -> None:
    prepare.prepare(admin(gateway), [OWNER])
    assert gateway.users == {"mlflow": "the-secret-key"}
    assert gateway.owners == {"mlflow-artifacts": "mlflow"}


def test_a_second_run_changes_nothing(gateway: Gateway) -> None:
    prepare.prepare(admin(gateway), [OWNER])
    prepare.prepare(admin(gateway), [OWNER])
    assert gateway.users == {"mlflow": "the-secret-key"}
    assert gateway.owners == {"mlflow-artifacts": "mlflow"}


def test_a_new_key_replaces_the_old_one_and_a_bucket_gets_its_owner_back(gateway: Gateway) -> None:
    gateway.users["mlflow"] = "an older key"
    gateway.owners["mlflow-artifacts"] = "root"
    prepare.prepare(admin(gateway), [OWNER])
    assert gateway.users == {"mlflow": "the-secret-key"}
    assert gateway.owners == {"mlflow-artifacts": "mlflow"}


def test_no_secret_is_in_a_url_that_a_server_logs(gateway: Gateway) -> None:
    gateway.users["mlflow"] = "an older key"
    prepare.prepare(admin(gateway), [OWNER])
    assert gateway.lines
    assert not any("the-secret-key" in line for line in gateway.lines)


def test_a_refusal_is_reported_in_one_line_with_the_server_s_reason(gateway: Gateway) -> None:
    with pytest.raises(WorkloadError, match="refused /create-user: 403 only for administrators") as refused:
        prepare.prepare(admin(gateway, "mlflow"), [OWNER])
    assert refused.value.code == Exit.OBJECT_STORE


def test_a_dead_server_is_reported_in_one_line_after_the_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    dead = Admin("http://127.0.0.1:1", "us-west-2", Credentials("root", "root-key"))
    with pytest.raises(WorkloadError, match=r"at http://127\.0\.0\.1:1 does not answer after 5 attempts") as refused:
        prepare.prepare(dead, [OWNER])
    assert refused.value.code == Exit.OBJECT_STORE


@pytest.mark.parametrize(
    "listed",
    [
        "not json",
        "{}",
        "[]",
        '["mlflow-artifacts"]',
        '[{"bucket": "b", "access_key": "a"}]',
        '[{"bucket": "b", "access_key": "a", "secret_key": "pass-word", "acl": "x"}]',
        '[{"bucket": "b", "access_key": "a", "secret_key": ""}]',
        '[{"bucket": "b", "access_key": 1, "secret_key": "pass-word"}]',
    ],
)
def test_an_invalid_list_is_refused_without_its_secrets(listed: str) -> None:
    with pytest.raises(WorkloadError, match="must be a JSON list of objects with bucket, access_key, secret_key") as no:
        prepare.parse(listed)
    assert no.value.code == Exit.USAGE
    assert "pass-word" not in str(no.value)


def test_the_command_reads_its_environment(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    owners = [{"bucket": "mlflow-backups", "access_key": "backup", "secret_key": "the-secret-key"}]
    variables = {Env.BUCKET_OWNERS: json.dumps(owners), Env.S3_ENDPOINT: gateway.url, "AWS_DEFAULT_REGION": "us-west-2"}
    for name, value in {**variables, "AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": "root-key"}.items():
        monkeypatch.setenv(name, value)
    assert prepare.main([]) == Exit.OK
    assert gateway.owners == {"mlflow-backups": "backup"}
    output = capsys.readouterr()
    assert "mlflow-backups: owned by backup" in output.out
    assert "the-secret-key" not in output.out + output.err
