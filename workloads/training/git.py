"""The commit that a training ran from."""

import os
import subprocess
from pathlib import Path

from contracts import Env


def commit() -> str | None:
    """Return the commit, with `-dirty` where files were changed: from the environment in an image, else from git."""
    given = os.environ.get(Env.GIT_COMMIT)
    if given:
        return given
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
