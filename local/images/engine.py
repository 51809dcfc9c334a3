"""Docker and Podman as builders of images: their commands differ in few words from each other and from buildah's.

Images are kept in the engine's own storage, beside what else its user has there, which stays as it is.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local import progress
from local.errors import LocalError

_ANSWER_SECONDS = 30
# The first one whose `build` knows --build-context: https://github.com/containers/podman/releases/tag/v4.2.0
_OLDEST_PODMAN = (4, 2)
# A builder that was chosen for other work has a store of its own, without the images that ours stand on.
_CHOSEN_BUILDER = "BUILDX_BUILDER"


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """One of the two, by the name of its command; `mounts` is whether a build can be given folders to work with."""

    name: str
    mounts: bool

    def why_not(self) -> str | None:
        """Return why this user can't build with it here; None if it works."""
        if not shutil.which(self.name):
            return "not on PATH"
        return _why_not_docker() if self.name == "docker" else _why_not_podman()

    def has(self, reference: str) -> bool:
        """Tell whether an image is here."""
        return _ask(self.name, "inspect", "--type", "image", reference).returncode == 0

    def references(self) -> list[str]:
        """Return the references of the images that are here, the newest first."""
        listed = _ask(self.name, "images", "--format", "{{.Repository}}:{{.Tag}}")
        if listed.returncode:
            raise LocalError(f"{self.name} can't list its images: {_first_line(listed.stderr)}")
        return listed.stdout.split()

    def build(self, reference: str, *, container_file: Path, context: Path, options: Sequence[str], log: Path) -> None:
        """Build an image, as `reference`.

        Raises:
            LocalError: A step of the build failed; names the log.
        """
        own = {
            # The image alone, without the statement of its making, which makes an index of it that kind can't load.
            "docker": ("--load", "--provenance=false"),
            # As buildah here: each file one layer, and no container that would need cgroups of its own.
            "podman": ("--isolation=chroot", "--layers=false", "--pull=never", "--security-opt=label=disable"),
        }[self.name]
        file = ("--file", str(container_file), "--tag", reference, str(context))
        env = {name: value for name, value in os.environ.items() if name != _CHOSEN_BUILDER}
        progress.run([self.name, "build", *own, *options, *file], log=log, env=env | {"DOCKER_BUILDKIT": "1"})

    def forget(self, reference: str, log: Path) -> None:
        """Delete an image."""
        progress.run([self.name, "rmi", "--force", reference], log=log)

    def clear(self, log: Path) -> None:
        """Leave all as it is: what lies around here may be anybody's."""

    def pull(self, reference: str, *, plain_http: bool, log: Path) -> None:
        """Fetch an image from a registry.

        Raises:
            LocalError: It can't be had; names the log.
        """
        progress.run([self.name, "pull", "--quiet", *self._verify(plain_http), reference], log=log)

    def push(self, reference: str, target: str, *, plain_http: bool, log: Path) -> str:
        """Push an image to a registry as `target`, and return its digest there.

        Raises:
            LocalError: The registry refused it or doesn't answer; names the log.
        """
        if self.name == "podman":
            with tempfile.TemporaryDirectory(prefix="aegis-push-") as folder:
                digest = Path(folder) / "digest"
                options = [*self._verify(plain_http), f"--digestfile={digest}"]
                progress.run(["podman", "push", "--quiet", *options, reference, f"docker://{target}"], log=log)
                return digest.read_text().strip()
        progress.run(["docker", "tag", reference, target], log=log)
        progress.run(["docker", "push", "--quiet", target], log=log)
        return _digest(target, log)

    def save(self, reference: str, file: Path, log: Path) -> None:
        """Write an image to a file in the form of `docker save`.

        Raises:
            LocalError: There is no room for it; names the log.
        """
        form = ("--format=docker-archive",) if self.name == "podman" else ()
        progress.run([self.name, "save", *form, "--output", file, reference], log=log)

    def _verify(self, plain_http: bool) -> tuple[str, ...]:
        # Docker itself takes a registry on localhost for one without TLS, and has no such option.
        return (f"--tls-verify={not plain_http}".lower(),) if self.name == "podman" else ()


DOCKER = Engine(name="docker", mounts=False)
PODMAN = Engine(name="podman", mounts=True)


def _why_not_docker() -> str | None:
    if "podman" in _ask("docker", "--version").stdout.lower():
        return "it is Podman under another name"
    answered = _ask("docker", "version", "--format", "{{.Server.Version}}")
    if answered.returncode:
        return f"its daemon doesn't answer ({_first_line(answered.stderr)})"
    if _ask("docker", "buildx", "version").returncode:
        return "it lacks its plugin buildx, which builds with more than one folder"
    return None


def _why_not_podman() -> str | None:
    answered = _ask("podman", "info", "--format", "{{.Version.Version}}")
    if answered.returncode:
        return f"it doesn't work ({_first_line(answered.stderr)})"
    version = re.match(r"(\d+)\.(\d+)", answered.stdout)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST_PODMAN:
        return f"it is version {answered.stdout.strip()}, and {'.'.join(map(str, _OLDEST_PODMAN))} is needed"
    return None


def _digest(target: str, log: Path) -> str:
    """Return the digest that a registry gave to what Docker has just pushed there."""
    repository = target.rpartition(":")[0]
    told = _ask("docker", "inspect", "--type", "image", "--format", "{{json .RepoDigests}}", target)
    known: list[str] = json.loads(told.stdout or "null") or []
    for name, _, digest in (reference.partition("@") for reference in known):
        if name == repository:
            return digest
    raise LocalError(f"Docker doesn't tell the digest of {target}, which it has just pushed", log)


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {_ANSWER_SECONDS} s")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason told")
