"""The root file system at the base of every image: a minimal Debian made by debootstrap, without a registry.

It is prepared like the official `debian:bookworm-slim` image, so that container files work with either.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import paths, progress
from local.errors import LocalError
from local.removal import remove

SUITE = "bookworm"
# Debian's own mirror network, for a machine whose apt doesn't have this suite: https://deb.debian.org/.
DEFAULT_MIRROR = "http://deb.debian.org/debian"
DEFAULT_SECURITY = "http://deb.debian.org/debian-security"

# Leave out manuals and translations, and don't flush each file to disk, which an image doesn't need.
SETTINGS = {
    "etc/dpkg/dpkg.cfg.d/aegis": (
        "force-unsafe-io\n"
        "path-exclude=/usr/share/man/*\n"
        "path-exclude=/usr/share/doc/*\n"
        "path-include=/usr/share/doc/*/copyright\n"
        "path-exclude=/usr/share/locale/*\n"
    ),
    "etc/apt/apt.conf.d/90aegis": 'Acquire::Languages "none";\nApt::AutoRemove::SuggestsImportant "false";\n',
    # Don't start services in an image (https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt).
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
}
SURPLUS = ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/man", "usr/share/locale")


def recipe() -> str:
    """Return the inputs of the root file system, except for the versions of the Debian packages."""
    return f"{SUITE} {SETTINGS} {SURPLUS}"


@contextmanager
def root_file_system(log: Path) -> Iterator[Path]:
    """Make the root file system, and yield the folder that contains it as `rootfs.tar` during a build.

    Raises:
        LocalError: debootstrap failed; names the log.
    """
    folder = paths.images_cache() / "debian"
    # Leftovers of a killed build.
    _remove(folder)
    folder.mkdir(parents=True)
    try:
        _make(folder / "root", folder / "rootfs.tar", log)
        yield folder
    finally:
        _remove(folder)


def _make(root: Path, target: Path, log: Path) -> None:
    suites = _mirrors()
    progress.run(["debootstrap", "--variant=minbase", SUITE, root, suites[SUITE]], log=log)
    sources = "".join(f"deb {mirror} {suite} main\n" for suite, mirror in suites.items())
    for name, text in {"etc/apt/sources.list": sources, **SETTINGS}.items():
        (root / name).write_text(text)
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    for name in SURPLUS:
        remove(root / name, ignore_errors=True)
        (root / name).mkdir()
    progress.run(["tar", "-C", root, "--exclude=./dev/*", "--exclude=./proc/*", "-cf", target, "."], log=log)


def _remove(folder: Path) -> None:
    # A killed debootstrap leaves /proc mounted in the folder, and mounted files must not be deleted.
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        point = line.split()[1]
        if point.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", point], check=True, capture_output=True)
    remove(folder, ignore_errors=True)


def _mirrors() -> dict[str, str]:
    try:
        listed = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        raise LocalError(f"apt-get can't list its mirrors: {error}") from error
    return mirrors(listed)


def mirrors(listed: str) -> dict[str, str]:
    """Return the mirror of each suite, from this machine's lines `suite address` or else Debian's own."""
    configured: dict[str, str] = {}
    for line in listed.splitlines():
        suite, _, address = line.partition(" ")
        configured.setdefault(suite, address)
    defaults = {SUITE: DEFAULT_MIRROR, f"{SUITE}-updates": DEFAULT_MIRROR, f"{SUITE}-security": DEFAULT_SECURITY}
    return {suite: configured.get(suite, default).rstrip("/") for suite, default in defaults.items()}
