"""The GitHub workflow that runs a command, read from its environment variables."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from review.exits import Exit, ReviewError
from review.github import GitHub

# Old and new forms of GitHub's tokens:
# https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
_TOKEN: Final = re.compile(r"[\w.-]+", re.ASCII)
_REPOSITORY: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_ADDRESS: Final = re.compile(r"https?://(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d{1,5})?(/[\w./-]*)?", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class PullRequest:
    """The pull request of a workflow, as of the workflow's start."""

    number: int
    commit: str
    labels: frozenset[str]


def pull_request(environment: Mapping[str, str]) -> PullRequest | None:
    """Return the pull request of the workflow's event; None for any other event, and outside a workflow.

    Raises:
        ReviewError: The file isn't an event of GitHub.
    """
    file = environment.get("GITHUB_EVENT_PATH")
    if not file:
        return None
    try:
        found: dict[str, Any] | None = json.loads(Path(file).read_text(encoding="utf-8")).get("pull_request")
        if found is None:
            return None
        return PullRequest(
            number=_integer(found["number"]),
            commit=str(found["head"]["sha"]),
            labels=frozenset(label["name"] for label in found["labels"]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        message = f"GITHUB_EVENT_PATH must name an event of GitHub, got {file} ({type(error).__name__}: {error})"
        raise ReviewError(message, Exit.USAGE) from error


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("the number of the pull request isn't an integer")
    return value


def api(environment: Mapping[str, str]) -> GitHub:
    """Return the API for the workflow's repository.

    Raises:
        ReviewError: An environment variable of the workflow is missing or malformed.
    """
    missing = [name for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN") if not environment.get(name)]
    if missing:
        raise ReviewError(f"{' and '.join(missing)} must be set, as in a workflow of GitHub", Exit.USAGE)
    # The message doesn't show the value: a token with a stray character is still a secret.
    if not _TOKEN.fullmatch(token := environment["GITHUB_TOKEN"].strip()):
        raise ReviewError("GITHUB_TOKEN must consist of letters, digits and _.-, got another character", Exit.USAGE)
    repository = environment["GITHUB_REPOSITORY"]
    if not _REPOSITORY.fullmatch(repository):
        raise ReviewError(f"GITHUB_REPOSITORY must be OWNER/NAME, got {repository!r}", Exit.USAGE)
    address = environment.get("GITHUB_API_URL") or GitHub.api
    if not _ADDRESS.fullmatch(address):
        # The part before an @ may be a password.
        shown = address.rpartition("@")[2]
        raise ReviewError(
            f"GITHUB_API_URL must be https://HOST, optionally with a port and a path, got {shown!r}", Exit.USAGE
        )
    return GitHub(repository=repository, token=token, api=address)


def summarize(markdown: str) -> None:
    """Append to the summary of the running job. Outside a workflow, do nothing.

    Raises:
        ReviewError: The summary can't be written.
    """
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(file).open("a", encoding="utf-8") as summary:
                summary.write(markdown)
        except (OSError, ValueError) as error:
            raise ReviewError(
                f"GITHUB_STEP_SUMMARY must name a writable file, got {file} ({error})", Exit.USAGE
            ) from error
