"""The commit that an image's code was built at: a build argument, and no part of the image's reference.

The reference follows from the content, so an image that is there stays when a commit changes nothing in it, and keeps
the commit at which it was built.
"""

import subprocess
from pathlib import Path
from typing import Final

from local import paths
from local.images import containerfile

ARGUMENT: Final = "GIT_COMMIT"
_DIRTY: Final = "-dirty"


def arguments(container_file: Path) -> list[str]:
    """Return the build argument of a container file that takes the commit, with `-dirty` where its files were changed.

    Without git, or outside of a repository, the image has none.
    """
    inputs = containerfile.read(container_file)
    if not any(line.startswith(f"ARG {ARGUMENT}") for line in inputs.instructions):
        return []
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return []
    read = [*inputs.patterns, container_file.relative_to(paths.REPOSITORY).as_posix()]
    changed = _git("status", "--porcelain", "--", *read) != ""
    return ["--build-arg", f"{ARGUMENT}={commit}{_DIRTY if changed else ''}"]


def _git(*arguments: str) -> str | None:
    # A checkout of another user's is read, too: `make up` may be root's.
    command = ["git", "-c", f"safe.directory={paths.REPOSITORY}", "-C", str(paths.REPOSITORY), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
