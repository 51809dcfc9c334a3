"""What a GitHub workflow tells the commands that it runs, by its environment."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from review.exits import Exit, ReviewError
from review.github import GitHub

# The forms of GitHub's tokens, older ones too: https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
_TOKEN: Final = re.compile(r"[\w.-]+", re.ASCII)
_REPOSITORY: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_ADDRESS: Final = re.compile(r"https?://(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d{1,5})?(/[\w./-]*)?", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class PullRequest:
    """The pull request that a workflow runs for, as it was when the workflow began."""

    number: int
    commit: str
    labels: frozenset[str]


def pull_request(environment: Mapping[str, str]) -> PullRequest | None:
    """Return the pull request of the event; None where the workflow runs for something else, or there is none.

    Raises:
        ReviewError: The event's file isn't GitHub's.
    """
    file = environment.get("GITHUB_EVENT_PATH")
    if not file:
        return None
    try:
        found: dict[str, Any] | None = json.loads(Path(file).read_text(encoding="utf-8")).get("pull_request")
        if found is None:
            return None
        return PullRequest(
            number=int(found["number"]),
            commit=str(found["head"]["sha"]),
            labels=frozenset(label["name"] for label in found["labels"]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        message = f"GITHUB_EVENT_PATH is {file}, which is no event of GitHub ({type(error).__name__}: {error})"
        raise ReviewError(message, Exit.USAGE) from error


def api(environment: Mapping[str, str]) -> GitHub:
    """Return the API for the repository that a workflow runs in.

    Raises:
        ReviewError: Not in a workflow, or without a token.
    """
    missing = [name for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN") if not environment.get(name)]
    if missing:
        raise ReviewError(f"{' and '.join(missing)} must be set, as they are in a workflow of GitHub", Exit.USAGE)
    # Never the value: the one with a newline at its end is still the token.
    if not _TOKEN.fullmatch(token := environment["GITHUB_TOKEN"].strip()):
        raise ReviewError(
            "GITHUB_TOKEN holds a character that no token has; allowed are letters, digits and _.-", Exit.USAGE
        )
    repository = environment["GITHUB_REPOSITORY"]
    if not _REPOSITORY.fullmatch(repository):
        raise ReviewError(f"GITHUB_REPOSITORY is {repository!r}; allowed is OWNER/NAME", Exit.USAGE)
    address = environment.get("GITHUB_API_URL") or GitHub.api
    if not _ADDRESS.fullmatch(address):
        raise ReviewError(f"GITHUB_API_URL is {address!r}; allowed is https://HOST, with a path", Exit.USAGE)
    return GitHub(repository=repository, token=token, api=address)


def summarize(markdown: str) -> None:
    """Add to the summary of the running job; nothing outside a workflow.

    Raises:
        ReviewError: The summary can't be written.
    """
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(file).open("a", encoding="utf-8") as summary:
                summary.write(markdown)
        except (OSError, ValueError) as error:
            raise ReviewError(f"GITHUB_STEP_SUMMARY is {file}, which can't be written ({error})", Exit.USAGE) from error
