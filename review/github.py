"""A client of GitHub's REST API for the review: its comment, and the labels of a merged pull request."""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from review.exits import Exit, ReviewError

_Result = TypeVar("_Result")
# The author of comments with a workflow's token, which can't read its own user.
ACTIONS_BOT: Final = "github-actions[bot]"
_PAGE: Final = 100
_ATTEMPTS: Final = 5
_LONGEST_WAIT_SECONDS: Final = 60
_REQUEST_SECONDS: Final = 30
_MOST_OF_AN_ANSWER: Final = 500
_FORBIDDEN: Final = 403
_TRANSIENT: Final = (429, 500, 502, 503, 504)


class _TransientError(Exception):
    """A failure that is worth another attempt, after `wait` seconds if GitHub asks for a wait."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class _RefusedError(Exception):
    """A failure that another attempt won't change."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True, slots=True)
class GitHub:
    """One repository, `OWNER/NAME`, and a token for it."""

    repository: str
    token: str
    api: str = "https://api.github.com"
    # The wait before the second attempt, unless GitHub asks for one. It doubles with each attempt.
    first_wait_seconds: float = 1

    def write_comment(self, number: int, marker: str, body: str) -> str:
        """Edit our comment on a pull request, the one that ends with `marker`, or create it, and return its address.

        Raises:
            ReviewError: GitHub refused, or failed in every attempt.
        """
        return self._retried(lambda: self._write_comment(number, marker, body))

    def labels_of_commit(self, sha: str) -> set[str]:
        """Return the labels of the merged pull requests that contain a commit.

        Raises:
            ReviewError: GitHub refused, or failed in every attempt.
        """
        return self._retried(lambda: self._labels_of_commit(sha))

    def _labels_of_commit(self, sha: str) -> set[str]:
        pulls = self._request("GET", f"/commits/{urllib.parse.quote(sha, safe='')}/pulls")
        return {str(label["name"]) for pull in pulls if pull.get("merged_at") for label in pull["labels"]}

    def _write_comment(self, number: int, marker: str, body: str) -> str:
        author = self._login()
        # Each attempt searches again: an earlier one may have created the comment and lost only the answer.
        for comment in self._comments(number):
            # The author may have been deleted from GitHub.
            if (comment["user"] or {}).get("login") == author and (comment["body"] or "").rstrip().endswith(marker):
                return str(self._request("PATCH", f"/issues/comments/{comment['id']}", {"body": body})["html_url"])
        return str(self._request("POST", f"/issues/{number}/comments", {"body": body})["html_url"])

    def _login(self) -> str:
        try:
            return self._call("GET", f"{self.api}/user")["login"]
        except _RefusedError as error:
            if error.status == _FORBIDDEN:
                return ACTIONS_BOT
            raise

    def _comments(self, number: int) -> Iterator[dict[str, Any]]:
        page = 1
        while found := self._request("GET", f"/issues/{number}/comments?per_page={_PAGE}&page={page}"):
            yield from found
            if len(found) < _PAGE:
                return
            page += 1

    def _retried(self, action: Callable[[], _Result]) -> _Result:
        wait = self.first_wait_seconds
        for left in reversed(range(_ATTEMPTS)):
            try:
                return action()
            except _RefusedError as error:
                raise ReviewError(str(error), Exit.GITHUB) from error
            except (LookupError, TypeError, AttributeError) as error:
                message = f"{self.api}: unexpected answer ({type(error).__name__}: {error})"
                raise ReviewError(message, Exit.GITHUB) from error
            except _TransientError as error:
                if not left:
                    raise ReviewError(f"{error}; gave up after {_ATTEMPTS} attempts", Exit.GITHUB) from error
                time.sleep(min(wait if error.wait is None else error.wait, _LONGEST_WAIT_SECONDS))
                wait *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _request(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        return self._call(method, f"{self.api}/repos/{self.repository}{path}", body)

    def _call(self, method: str, url: str, body: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        request = urllib.request.Request(  # noqa: S310 - the API's address comes from the workflow
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        what = f"{method} {url}"
        try:
            with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise self._failure(what, error) from error
        # An answer that isn't text or JSON was cut off.
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            raise _TransientError(f"{what}: no answer ({error})") from error

    def _failure(self, what: str, error: urllib.error.HTTPError) -> _TransientError | _RefusedError:
        """Return the failure for an HTTP error. GitHub also answers 403 to too many requests.

        https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
        """
        try:
            answer = " ".join(error.read(_MOST_OF_AN_ANSWER).decode(errors="replace").split())
        except (OSError, http.client.HTTPException):
            answer = "(the answer was cut off)"
        message = f"{what}: {error.code} {answer.replace(self.token, '[secret]')}"
        wait = error.headers.get("Retry-After")
        limited = wait is not None or error.headers.get("X-RateLimit-Remaining") == "0"
        if error.code in _TRANSIENT or (error.code == _FORBIDDEN and limited):
            return _TransientError(message, float(wait) if wait and wait.isdecimal() else None)
        return _RefusedError(message, error.code)
