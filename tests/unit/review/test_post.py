"""The comments on GitHub: one for each stack, edited and never repeated."""

from collections.abc import Callable
from pathlib import Path

import pytest

from review import github as api
from review.exits import Exit
from tests.support.fake_github import BOT, Failure, FakeGitHub
from tests.unit.review.conftest import Review

PROD = "<!-- aegis review: prod -->"
POST = ("post", "updates.ndjson", "--stack", "prod")


@pytest.fixture(autouse=True)
def for_a_pull_request(pull_request: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    pull_request()
    monkeypatch.setattr(api.time, "sleep", lambda _seconds: None)


def test_the_first_preview_creates_the_comment(review: Review, github: FakeGitHub) -> None:
    result = review(*POST)
    assert result.code is Exit.OK
    [comment] = github.comments
    assert comment["body"].startswith("**Updates 3 (stack prod)**")
    assert "Preview of `c0ffee`." in comment["body"]
    assert comment["html_url"] in result.out


def test_the_next_preview_edits_it(review: Review, github: FakeGitHub) -> None:
    review(*POST)
    review("post", "no-changes.ndjson", "--stack", "prod")
    [comment] = github.comments
    assert comment["body"].startswith("**No changes (stack prod)**")


def test_the_comment_is_found_after_many_pages_of_others(review: Review, github: FakeGitHub) -> None:
    for number in range(250):
        github.comment(f"looks good {number}", author="reviewer")
    review(*POST)
    review(*POST)
    assert len(github.comments) == 251


def test_each_stack_has_its_own_comment(review: Review, github: FakeGitHub) -> None:
    github.comment("**Creates 2 (stack dev)**\n\n<!-- aegis review: dev -->\n")
    review(*POST)
    assert [comment["body"][:10] for comment in github.comments] == ["**Creates ", "**Updates "]


def test_another_authors_comment_is_never_edited(review: Review, github: FakeGitHub) -> None:
    github.comment(f"I quote: {PROD}", author="mallory")
    review(*POST)
    assert github.comments[0]["body"] == f"I quote: {PROD}"
    assert github.comments[1]["user"]["login"] == BOT


def test_the_comment_of_a_deleted_user_is_skipped(review: Review, github: FakeGitHub) -> None:
    github.comment("looks good", author="gone")["user"] = None
    assert review(*POST).code is Exit.OK


def test_with_a_persons_token_that_persons_comment_is_edited(review: Review, github: FakeGitHub) -> None:
    github.comment(f"the bot's\n\n{PROD}")
    github.login = "alice"
    review(*POST)
    review(*POST)
    assert [comment["user"]["login"] for comment in github.comments] == [BOT, "alice"]


def test_lost_data_is_posted_and_then_fails_the_check(review: Review, github: FakeGitHub) -> None:
    result = review("post", "replaces-database.ndjson", "--stack", "prod")
    assert result.code is Exit.DATA_LOSS
    assert github.comments[0]["body"].startswith("**Replaces the database: aegis-prod (stack prod)**")


def test_the_label_of_the_pull_request_allows_the_loss(
    review: Review, github: FakeGitHub, pull_request: Callable[..., None]
) -> None:
    pull_request("allow-data-loss")
    assert review("post", "replaces-database.ndjson", "--stack", "prod").code is Exit.OK


@pytest.mark.parametrize(
    "failure",
    [
        Failure(status=502),
        Failure(status=429, headers={"Retry-After": "1"}),
        Failure(status=403, headers={"Retry-After": "60"}),
        Failure(status=403, headers={"X-RateLimit-Remaining": "0"}),
    ],
    ids=["a gateway", "too many requests", "a secondary limit", "the primary limit"],
)
def test_a_transient_failure_is_retried(review: Review, github: FakeGitHub, failure: Failure) -> None:
    github.failing_writes = [failure]
    assert review(*POST).code is Exit.OK
    assert len(github.comments) == 1


def test_a_comment_whose_answer_was_lost_is_not_written_twice(review: Review, github: FakeGitHub) -> None:
    github.failing_writes = [Failure(status=504, after=True)]
    assert review(*POST).code is Exit.OK
    assert len(github.comments) == 1


def test_a_lasting_failure_is_reported_after_five_attempts(review: Review, github: FakeGitHub) -> None:
    github.failing = [Failure(status=503) for _ in range(100)]
    result = review(*POST)
    assert result.code is Exit.GITHUB
    assert "503" in result.err
    assert "gave up after 5 attempts" in result.err
    assert len(github.requests) == 5


def test_the_wait_that_github_asks_for_is_limited(
    review: Review, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(api.time, "sleep", waits.append)
    github.failing_writes = [Failure(status=429, headers={"Retry-After": "3600"}), Failure(status=500)]
    review(*POST)
    assert waits == [60, 2]


def test_a_refusal_shows_githubs_message_and_never_the_token(
    review: Review, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_revoked")
    result = review(*POST)
    assert result.code is Exit.GITHUB
    assert "Bad credentials" in result.err
    assert "ghs_revoked" not in result.err
    assert len(github.requests) == 1


def test_an_unreachable_api_is_reported(review: Review, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    result = review(*POST)
    assert result.code is Exit.GITHUB
    assert "Connection refused" in result.err


def test_a_missing_token_is_reported(review: Review, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    result = review(*POST)
    assert result.code is Exit.USAGE
    assert "GITHUB_TOKEN must be set" in result.err


def test_an_event_without_a_pull_request_is_refused(
    review: Review, github: FakeGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "push.json").write_text('{"ref": "refs/heads/main"}')
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "push.json"))
    result = review(*POST)
    assert result.code is Exit.USAGE
    assert "the event of a pull request" in result.err


def test_the_comment_is_added_to_the_summary_of_the_job(
    review: Review, github: FakeGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    review(*POST)
    assert (tmp_path / "summary.md").read_text() == github.comments[0]["body"]
