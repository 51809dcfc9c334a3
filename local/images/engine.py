"""The builders Docker and Podman, whose commands differ little from each other and from buildah's.

Images are kept in the engine's own storage, together with the user's other images, which stay untouched.
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
# The first version whose `build` supports --build-context: https://github.com/containers/podman/releases/tag/v4.2.0
_OLDEST_PODMAN = (4, 2)
# A non-default builder has separate storage, which lacks the base images.
_CHOSEN_BUILDER = "BUILDX_BUILDER"


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """An engine, by the name of its command. `mounts` says whether a build can mount folders of this machine."""

    name: str
    mounts: bool

    def why_not(self) -> str | None:
        """Return the reason why this user can't build with it here, or None if it works."""
        if not shutil.which(self.name):
            return "not on PATH"
        return _why_not_docker() if self.name == "docker" else _why_not_podman()

    def has(self, reference: str) -> bool:
        """Return whether the engine has an image."""
        return _ask(self.name, "inspect", "--type", "image", reference).returncode == 0

    def references(self) -> list[str]:
        """Return the references of the engine's images, newest first."""
        listed = _ask(self.name, "images", "--format", "{{.Repository}}:{{.Tag}}")
        if listed.returncode:
            raise LocalError(f"{self.name} can't list its images: {_first_line(listed.stderr)}")
        return listed.stdout.split()

    def build(self, reference: str, *, container_file: Path, context: Path, options: Sequence[str], log: Path) -> None:
        """Build an image as `reference`.

        Raises:
            LocalError: A step of the build failed; names the log.
        """
        engine_options = {
            # A provenance attestation would turn the image into an index, which kind can't load.
            "docker": ("--load", "--provenance=false"),
            # Like buildah: one layer per container file, and no container that needs its own cgroup.
            "podman": ("--isolation=chroot", "--layers=false", "--pull=never", "--security-opt=label=disable"),
        }[self.name]
        file = ("--file", str(container_file), "--tag", reference, str(context))
        env = {name: value for name, value in os.environ.items() if name != _CHOSEN_BUILDER}
        progress.run(
            [self.name, "build", *engine_options, *options, *file], log=log, env=env | {"DOCKER_BUILDKIT": "1"}
        )

    def forget(self, reference: str, log: Path) -> None:
        """Delete an image."""
        progress.run([self.name, "rmi", "--force", reference], log=log)

    def clear(self, log: Path) -> None:
        """Do nothing, because unnamed images may belong to the user."""

    def pull(self, reference: str, *, plain_http: bool, log: Path) -> None:
        """Pull an image from a registry.

        Raises:
            LocalError: The pull failed; names the log.
        """
        progress.run([self.name, "pull", "--quiet", *self._verify(plain_http), reference], log=log)

    def push(self, reference: str, target: str, *, plain_http: bool, log: Path) -> str:
        """Push an image to a registry as `target`, and return its digest there.

        Raises:
            LocalError: The registry refused the image or doesn't answer; names the log.
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
        """Write an image to a file in the format of `docker save`.

        Raises:
            LocalError: The image can't be written, for example because the disk is full; names the log.
        """
        format_option = ("--format=docker-archive",) if self.name == "podman" else ()
        progress.run([self.name, "save", *format_option, "--output", file, reference], log=log)

    def _verify(self, plain_http: bool) -> tuple[str, ...]:
        # Docker has no such option, and itself uses plain HTTP for a registry on localhost.
        return (f"--tls-verify={not plain_http}".lower(),) if self.name == "podman" else ()


DOCKER = Engine(name="docker", mounts=False)
PODMAN = Engine(name="podman", mounts=True)


def _why_not_docker() -> str | None:
    if "podman" in _ask("docker", "--version").stdout.lower():
        return "it is an alias of Podman"
    answered = _ask("docker", "version", "--format", "{{.Server.Version}}")
    if answered.returncode:
        return f"its daemon doesn't answer ({_first_line(answered.stderr)})"
    if _ask("docker", "buildx", "version").returncode:
        return "it lacks the plugin buildx, which supports more than one build context"
    return None


def _why_not_podman() -> str | None:
    answered = _ask("podman", "info", "--format", "{{.Version.Version}}")
    if answered.returncode:
        return f"it doesn't work ({_first_line(answered.stderr)})"
    version = re.match(r"(\d+)\.(\d+)", answered.stdout)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST_PODMAN:
        return f"it must be version {'.'.join(map(str, _OLDEST_PODMAN))} or newer, got {answered.stdout.strip()}"
    return None


def _digest(target: str, log: Path) -> str:
    """Return the digest of the image that Docker just pushed to a registry."""
    repository = target.rpartition(":")[0]
    inspected = _ask("docker", "inspect", "--type", "image", "--format", "{{json .RepoDigests}}", target)
    digests: list[str] = json.loads(inspected.stdout or "null") or []
    for name, _, digest in (reference.partition("@") for reference in digests):
        if name == repository:
            return digest
    raise LocalError(f"Docker doesn't report the digest of {target}, which it just pushed", log)


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {_ANSWER_SECONDS} s")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
