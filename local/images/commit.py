"""The git commit of an image's code, which is a build argument but not part of the image's reference.

The reference depends only on the content. An existing image therefore stays valid after commits that don't change its
content, and keeps the commit at which it was built.
"""

import subprocess
from pathlib import Path
from typing import Final

from local import paths
from local.images import containerfile

ARGUMENT: Final = "GIT_COMMIT"
_DIRTY: Final = "-dirty"


def arguments(container_file: Path) -> list[str]:
    """Return the build argument with the commit if the container file declares it, with `-dirty` for changed files.

    Without git or outside a repository, there is no commit and no argument.
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
    # git must also accept a checkout that belongs to another user, because `make up` may run as root.
    command = ["git", "-c", f"safe.directory={paths.REPOSITORY}", "-C", str(paths.REPOSITORY), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
