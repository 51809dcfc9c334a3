"""How the doctor asks a real installation: with kubectl, scripts in pods, HTTP, and commands, all of which may fail."""

import json
import os
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from local.doctor import platform
from local.doctor.platform import Platform
from local.doctor.verdict import NoAnswerError
from local.stacks import Stack
from tests.support.tls import self_signed

KUBECTL = """#!/usr/bin/env python3
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parent
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if "exec" in sys.argv:
    (folder / "stdin").write_text(sys.stdin.read())
    if (folder / "stderr").exists():
        # As kubectl ends when the command in the pod fails.
        sys.exit((folder / "stderr").read_text() + "command terminated with exit code 1")
    print("a library says hello")
    print(json.dumps({"open": True}))
elif "--raw=/api/v1/namespaces" in sys.argv:
    names = ["default", "mlflow", "team-demo"]
    print(json.dumps({"items": [{"metadata": {"name": name}} for name in names]}))
elif "--namespace=mlflow" in sys.argv:
    print(json.dumps({"items": [{"kind": "Pod", "metadata": {"name": "mlflow-1", "namespace": "mlflow"}}]}))
elif "--namespace=team-demo" in sys.argv:
    print(json.dumps({"items": []}))
else:
    sys.exit("warning: old\\nerror: You must be logged in to the server")
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a kubectl that knows two namespaces of the platform."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kubectl").write_text(KUBECTL)
    (folder / "kubectl").chmod(0o755)
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    return folder


def site(tools: Path, context: str | None = None) -> Platform:
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    return Platform(Stack(name="local"), context, {"PATH": path})


def calls(tools: Path) -> list[list[str]]:
    return [json.loads(line) for line in (tools / "calls").read_text().splitlines()]


def test_only_the_platforms_namespaces_are_listed_and_each_once(tools: Path) -> None:
    asked = site(tools)
    assert [pod["metadata"]["name"] for pod in asked.listed("Pod")] == ["mlflow-1"]
    assert [space["metadata"]["name"] for space in asked.listed("Namespace")] == ["mlflow", "team-demo"]
    assert len(calls(tools)) == 3


def test_a_script_runs_in_a_pod_from_standard_input(tools: Path) -> None:
    assert site(tools).told("network", "mlflow/mlflow", "vault:8200") == {"open": True}
    assert "create_connection" in (tools / "stdin").read_text()
    command = ["exec", "--stdin", "deployment/mlflow", "--namespace=mlflow", "--", "python", "-", "vault:8200"]
    assert calls(tools)[0][-len(command) :] == command


def test_the_context_of_another_cluster_is_named_to_kubectl(tools: Path) -> None:
    site(tools, "prod").listed("Pod")
    assert all("--context=prod" in call for call in calls(tools))


def test_the_reason_of_kubectl_is_given(tools: Path) -> None:
    with pytest.raises(NoAnswerError, match="`kubectl` failed: error: You must be logged in to the server"):
        site(tools).read("/version")


UNREACHABLE = """Traceback (most recent call last):
  File "<stdin>", line 50, in main
psycopg.OperationalError: connection failed: Connection refused

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "<stdin>", line 61, in <module>
sqlalchemy.exc.OperationalError: (psycopg.OperationalError) Connection refused
\tIs the server running on that host and accepting TCP/IP connections?
Multiple connection attempts failed.
(Background on this error at: https://sqlalche.me/e/20/e3q8)
"""


@pytest.mark.parametrize(
    ("stderr", "cause"),
    [
        (UNREACHABLE, "sqlalchemy.exc.OperationalError: (psycopg.OperationalError) Connection refused"),
        ("warning: old\nerror: there is no bucket\n", "error: there is no bucket"),
        ("", "command terminated with exit code 1"),
        (
            "ValueError: postgresql://mlflow:hunter2@postgres\x1b[0m\n",
            "ValueError: postgresql://mlflow:***@postgres[0m",
        ),
        (f"{'a' * 600}\n", f"{'a' * 500}..."),
    ],
    ids=["an exception", "a line", "nothing", "a password", "a long line"],
)
def test_what_a_failed_command_in_a_pod_says_is_the_reason(tools: Path, stderr: str, cause: str) -> None:
    (tools / "stderr").write_text(stderr)
    with pytest.raises(NoAnswerError) as reason:
        site(tools).told("database", "mlflow/mlflow")
    assert str(reason.value) == f"`kubectl` failed: {cause}"


def test_a_missing_kubectl_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError, match="kubectl is not on PATH"):
        Platform(Stack(name="local"), None, {"PATH": str(tmp_path)}).read("/version")


def test_a_command_that_hangs_is_ended(tools: Path) -> None:
    (tools / "kubectl").write_text("#!/bin/sh\nexec sleep 30\n")
    with pytest.raises(NoAnswerError, match=r"`kubectl` took more than 0\.2 s"):
        site(tools)._kubectl("get", "pods", seconds=0.2)


def test_a_stack_that_was_not_brought_up_here_has_no_outputs(tools: Path) -> None:
    with pytest.raises(NoAnswerError, match="the stack local was not brought up from this machine"):
        site(tools).outputs()


DATES = {"/no-date": "yesterday", "/no-zone": "Sat, 21 Nov 2026 12:00:00 -0000"}


class Server(BaseHTTPRequestHandler):
    """Answers 404, or wrongly, as its paths say."""

    def do_GET(self) -> None:
        if self.path == "/not-http":
            self.wfile.write(b"\x15\x03\x01 not HTTP\r\n")
            return
        self.send_response_only(302 if self.path == "/away" else 404)
        self.send_header("Date", DATES.get(self.path) or self.date_time_string())
        if self.path == "/away":
            self.send_header("Location", "/there")
        self.end_headers()
        self.wfile.write(b"no such object")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_an_error_status_is_an_answer_with_the_servers_clock(server: str, tools: Path) -> None:
    answer = site(tools).get(server)
    assert (answer.status, answer.text) == (404, "no such object")
    assert answer.date
    assert answer.asked_at
    assert abs((answer.date - answer.asked_at).total_seconds()) < 5


def test_a_dead_server_is_named_without_the_query_that_may_hold_a_signature(tools: Path) -> None:
    with pytest.raises(NoAnswerError, match="Connection refused") as reason:
        site(tools).get("http://127.0.0.1:9/key?X-Amz-Signature=abc")
    assert "abc" not in str(reason.value)


def test_what_is_not_http_is_no_answer(server: str, tools: Path) -> None:
    with pytest.raises(NoAnswerError, match="/not-http doesn't answer: "):
        site(tools).get(f"{server}/not-http")


def test_a_date_that_cannot_be_read_is_none(server: str, tools: Path) -> None:
    assert site(tools).get(f"{server}/no-date").date is None


def test_a_date_without_a_zone_is_in_utc(server: str, tools: Path) -> None:
    assert site(tools).get(f"{server}/no-zone").date == datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_an_address_of_this_machine_is_not_asked_through_a_proxy(
    server: str, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert site(tools).get(server).status == 404


def test_a_token_is_not_taken_to_where_a_server_redirects(server: str, tools: Path) -> None:
    assert site(tools).get(f"{server}/away", {"X-Vault-Token": "secret"}).status == 302


def test_without_a_token_a_redirect_is_followed(server: str, tools: Path) -> None:
    assert site(tools).get(f"{server}/away").status == 404


@pytest.fixture
def tls_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A TLS server with a certificate for 127.0.0.1, which this machine trusts."""
    certificate, key = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), Server) as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


def test_a_certificate_that_clients_accept_has_no_refusal(tls_port: int, tools: Path) -> None:
    certificate = site(tools).certificate("127.0.0.1", tls_port)
    assert certificate.end > datetime.now(UTC)
    assert certificate.refusal is None


def test_a_certificate_of_an_unknown_authority_is_refused(
    tls_port: int, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    certificate = site(tools).certificate("127.0.0.1", tls_port)
    assert (certificate.refusal, certificate.of_another_host) == ("self-signed certificate", False)


def test_a_certificate_of_another_host_is_refused_as_such(tls_port: int, tools: Path) -> None:
    certificate = site(tools).certificate("localhost", tls_port)
    assert certificate.of_another_host
    assert "Hostname mismatch" in (certificate.refusal or "")


def test_a_server_without_tls_shows_no_certificate(server: str, tools: Path) -> None:
    with pytest.raises(NoAnswerError, match="shows no certificate"):
        site(tools).certificate("127.0.0.1", int(server.rpartition(":")[2]))


def test_the_memory_and_the_disks_of_this_machine_are_measured(tools: Path) -> None:
    asked = site(tools)
    (tools.parent / "home").mkdir()
    assert all(0 < space.free < space.total for space in (asked.memory(), *asked.disks()))


def test_a_name_of_this_machine_has_an_address_and_a_reserved_one_has_none(tools: Path) -> None:
    assert "127.0.0.1" in site(tools).addresses_of("127.0.0.1")
    assert site(tools).addresses_of("mlflow.invalid") == ()


@pytest.mark.parametrize("backend", ["s3://states", None])
def test_the_state_of_a_stack_in_aws_is_where_the_shell_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str | None
) -> None:
    (tmp_path / "config").write_text("contexts:\n- {name: prod, context: {}}\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AEGIS_CONTEXT", "prod")
    if backend:
        monkeypatch.setenv("PULUMI_BACKEND_URL", backend)
    assert platform.of("prod")._environment.get("PULUMI_BACKEND_URL") == backend


def test_an_empty_context_is_the_embedded_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    monkeypatch.setenv("AEGIS_CONTEXT", "")
    assert platform.of("local").embedded


def test_kubectl_is_not_asked_about_a_cluster_that_was_never_started(tools: Path) -> None:
    asked = Platform(Stack(name="local"), None, {"PATH": str(tools), "KUBECONFIG": str(tools / "kubeconfig")})
    with pytest.raises(NoAnswerError, match="the cluster was not started"):
        asked.read("/version")
    assert not (tools / "calls").exists()
