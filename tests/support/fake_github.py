"""The part of GitHub's REST API that the review uses, on a real socket, with pagination and failures."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"


@dataclass(kw_only=True)
class Failure:
    """A failed response. With `after`, the request takes effect first."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False


@dataclass(kw_only=True)
class FakeGitHub:
    """One repository with one pull request, number 7."""

    url: str = ""
    repository: str = "acme/aegis"
    token: str = "ghs_test"
    # None for a workflow's token, which may not query its own user.
    login: str | None = None
    comments: list[dict[str, Any]] = field(default_factory=list)
    # The labels of a commit's pull request.
    merged: dict[str, list[str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    # The responses to the next write requests, or to the next requests of any kind.
    failing_writes: list[Failure] = field(default_factory=list)
    failing: list[Failure] = field(default_factory=list)

    def comment(self, body: str, author: str = BOT) -> dict[str, Any]:
        number = len(self.comments) + 1
        address = f"https://github.com/{self.repository}/pull/7#issuecomment-{number}"
        self.comments.append({"id": number, "user": {"login": author}, "body": body, "html_url": address})
        return self.comments[-1]

    def answer(self, method: str, target: str, authorization: str, body: dict[str, str]) -> tuple[int, Any]:
        if authorization != f"Bearer {self.token}":
            return 401, {"message": "Bad credentials"}
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        request = f"{method} {path.removeprefix(f'/repos/{self.repository}')}"
        if request == "GET /user":
            refused = (403, {"message": "Resource not accessible by integration"})
            return (200, {"login": self.login}) if self.login else refused
        if found := re.fullmatch(r"GET /commits/(\w+)/pulls", request):
            names = self.merged.get(found[1], [])
            return 200, [{"merged_at": "2026-01-01T00:00:00Z", "labels": [{"name": name} for name in names]}]
        return self._answer_about_comments(request, query, body)

    def _answer_about_comments(
        self, request: str, query: dict[str, list[str]], body: dict[str, str]
    ) -> tuple[int, Any]:
        if request == "GET /issues/7/comments":
            page, size = int(query["page"][0]), int(query["per_page"][0])
            return 200, self.comments[(page - 1) * size : page * size]
        if request == "POST /issues/7/comments":
            return 201, self.comment(body["body"], self.login or BOT)
        if found := re.fullmatch(r"PATCH /issues/comments/(\d+)", request):
            comment = self.comments[int(found[1]) - 1]
            comment["body"] = body["body"]
            return 200, comment
        return 404, {"message": "Not Found"}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PATCH = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def _serve(self) -> None:
        assert isinstance(self.server, _Server)
        github = self.server.github
        github.requests.append(f"{self.command} {self.path}")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        failures = github.failing or (github.failing_writes if self.command != "GET" else [])
        failure = failures.pop(0) if failures else None
        status, answer = 0, None
        if failure is None or failure.after:
            status, answer = github.answer(self.command, self.path, self.headers["Authorization"], body)
        if failure is not None:
            status, answer = failure.status, {"message": "failed as the test demands"}
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in (failure.headers if failure else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    github: FakeGitHub


@contextmanager
def fake_github() -> Iterator[FakeGitHub]:
    """Serve the API on loopback."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.github = FakeGitHub(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.github
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
