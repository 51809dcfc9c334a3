"""The builder buildah, with separate storage. It needs no registry or daemon, and makes one layer per container file.

The storage is the cache of images. Isolation is `chroot`, which needs no cgroups and so works in a container and on a
plain virtual machine. Without root, builds run in a user namespace, which requires subordinate ids (subuid(5)).
"""

import functools
import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local import paths, progress
from local.errors import LocalError

name = "buildah"
# Whether a build can mount folders of this machine.
mounts = True


def why_not() -> str | None:
    """Return the reason why this user can't build with buildah here, or None if it works."""
    if not shutil.which("buildah"):
        return "not on PATH"
    if os.geteuid() == 0:
        return None
    if not shutil.which("newuidmap"):
        return "without root it needs newuidmap (from Debian's package uidmap)"
    lacking = [file for file in ("/etc/subuid", "/etc/subgid") if not _has_range(Path(file))]
    if lacking:
        user = getpass.getuser()
        return (
            f"without root it needs a range of ids in {' and '.join(lacking)}: "
            f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
        )
    return None


def _has_range(file: Path) -> bool:
    owners = (getpass.getuser(), str(os.geteuid()))
    lines = file.read_text().splitlines() if file.exists() else []
    return any(line.split(":")[0] in owners for line in lines)


def has(reference: str) -> bool:
    """Return whether an image is in the storage."""
    command_line = command("inspect", "--type", "image", "--format", "{{.FromImageID}}", reference)
    return subprocess.run(command_line, capture_output=True, check=False).returncode == 0


def pull(reference: str, *, plain_http: bool, log: Path) -> None:
    """Pull an image from a registry into the storage.

    Raises:
        LocalError: The pull failed; names the log.
    """
    _run("pull", "--quiet", f"--tls-verify={not plain_http}".lower(), reference, log=log)


def push(reference: str, target: str, *, plain_http: bool, log: Path) -> str:
    """Push an image to a registry as `target`, and return its digest there.

    Raises:
        LocalError: The registry refused the image or doesn't answer; names the log.
    """
    with tempfile.TemporaryDirectory(prefix="aegis-push-") as folder:
        digest = Path(folder) / "digest"
        verify = f"--tls-verify={not plain_http}".lower()
        _run("push", "--quiet", verify, f"--digestfile={digest}", reference, f"docker://{target}", log=log)
        return digest.read_text().strip()


def save(reference: str, file: Path, log: Path) -> None:
    """Write an image to a file in the format of `docker save`.

    Raises:
        LocalError: The image can't be written, for example because the disk is full; names the log.
    """
    _run("push", "--quiet", reference, f"docker-archive:{file}:{reference}", log=log)


def build(reference: str, *, container_file: Path, context: Path, options: Sequence[str], log: Path) -> None:
    """Build an image into the storage as `reference`. A failed build stores nothing.

    Raises:
        LocalError: A step of the build failed; names the log.
    """
    _run(
        "bud", "--isolation=chroot", "--layers=false", "--pull-never", *options,
        "--file", str(container_file), "--tag", reference, str(context), log=log,
    )  # fmt: skip


def references() -> list[str]:
    """Return the references of the images in the storage, newest first."""
    if not _root().exists():
        return []
    listed = subprocess.run(
        command("images", "--format", "{{.Name}}:{{.Tag}}"), capture_output=True, text=True, check=False
    )
    if listed.returncode:
        raise LocalError(f"buildah can't read {_root()}: {listed.stderr.strip()}")
    return listed.stdout.split()


def forget(reference: str, log: Path) -> None:
    """Delete an image from the storage, except for layers that other images use."""
    _run("rmi", "--force", reference, log=log)


def clear(log: Path) -> None:
    """Delete working containers and unnamed images, such as build stages and leftovers of a killed build."""
    _run("rm", "--all", log=log)
    _run("rmi", "--prune", log=log)


def command(*arguments: str) -> list[str]:
    """Return a buildah command that uses the separate storage."""
    return [*_program(_driver()), *arguments]


def _run(*arguments: str, log: Path) -> None:
    temporary = paths.images_cache() / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    progress.run(command(*arguments), log=log, env={**os.environ, "TMPDIR": str(temporary)})


def _root() -> Path:
    return paths.images_cache() / "storage"


def _program(driver: str) -> list[str]:
    # buildah's run-time state must not survive a reboot.
    state = paths.builder_runtime()
    return ["buildah", "--root", str(_root()), "--runroot", str(state), "--storage-driver", driver]


@functools.cache
def _driver() -> str:
    """Return `overlay` if the file system supports it, else `vfs`, which copies each layer in full."""
    try:
        probe = subprocess.run([*_program("overlay"), "images", "--quiet"], capture_output=True, check=False)
    except FileNotFoundError:
        raise LocalError("buildah is not on PATH: install the Debian package buildah.") from None
    return "overlay" if probe.returncode == 0 else "vfs"
