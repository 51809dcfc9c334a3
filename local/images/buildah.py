"""buildah with a storage of our own: no registry, no daemon, and each container file becomes one layer.

The storage is the cache of images. Isolation is `chroot`: it needs root but no cgroups, so it works inside of a
container and on a plain virtual machine.
"""

import functools
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local import paths, progress
from local.errors import LocalError


def build(reference: str, *, container_file: Path, context: Path, options: Sequence[str], log: Path) -> None:
    """Build an image into the storage, as `reference`: all of it or nothing.

    Raises:
        LocalError: A step of the build failed; names the log.
    """
    _run(
        "bud", "--isolation=chroot", "--layers=false", "--pull-never", *options,
        "--file", str(container_file), "--tag", reference, str(context), log=log,
    )  # fmt: skip


def references() -> list[str]:
    """Return the references of the images in the storage, the newest first."""
    if not _root().exists():
        return []
    listed = subprocess.run(
        command("images", "--format", "{{.Name}}:{{.Tag}}"), capture_output=True, text=True, check=False
    )
    if listed.returncode:
        raise LocalError(f"buildah can't read {_root()}: {listed.stderr.strip()}")
    return listed.stdout.split()


def forget(reference: str, log: Path) -> None:
    """Delete an image from the storage; layers that others stand on stay."""
    _run("rmi", "--force", reference, log=log)


def clear(log: Path) -> None:
    """Delete working containers and nameless images, such as the stages of a build and what a killed build leaves."""
    _run("rm", "--all", log=log)
    _run("rmi", "--prune", log=log)


def command(*arguments: str) -> list[str]:
    """Return a buildah command on our storage."""
    return [*_program(_driver()), *arguments]


def _run(*arguments: str, log: Path) -> None:
    temporary = paths.images_cache() / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    progress.run(command(*arguments), log=log, env={**os.environ, "TMPDIR": str(temporary)})


def _root() -> Path:
    return paths.images_cache() / "storage"


def _program(driver: str) -> list[str]:
    # The state belongs to a running machine: it must be gone after a reboot, as only /run is.
    state = paths.runtime().with_name("buildah")
    return ["buildah", "--root", str(_root()), "--runroot", str(state), "--storage-driver", driver]


@functools.cache
def _driver() -> str:
    """Return `overlay` where the file system can carry it, else `vfs`, which copies each layer in full."""
    try:
        probe = subprocess.run([*_program("overlay"), "images", "--quiet"], capture_output=True, check=False)
    except FileNotFoundError:
        raise LocalError("buildah is not on PATH: install the Debian package buildah.") from None
    return "overlay" if probe.returncode == 0 else "vfs"
