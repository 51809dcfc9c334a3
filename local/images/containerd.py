"""Loading of images into the cluster's containerd, as a stream and without the layers that it already has."""

import subprocess
import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, cast

from local.cluster import node
from local.errors import LocalError
from local.images import archive, buildah


def loaded() -> set[str]:
    """Return the references of the images that containerd has completely.

    Raises:
        LocalError: containerd doesn't answer.
    """
    return set(_ctr("images", "check", "--quiet").split())


def load(reference: str, log: Path) -> None:
    """Load an image from buildah's storage. containerd lists it only when it is complete.

    Raises:
        LocalError: buildah or containerd failed; names the log.
    """
    present = set(_ctr("content", "ls", "--quiet").split())
    try:
        _stream(reference, present, log)
    except LocalError:
        # containerd may have garbage-collected an unused layer in the meantime.
        _stream(reference, (), log)


def prune(keep: Collection[str], prefix: str) -> list[str]:
    """Delete images whose references start with `prefix`, except for `keep` and those that containers use."""
    used = {word for line in _ctr("containers", "ls").splitlines() for word in line.split()}
    images = [name for name in _ctr("images", "ls", "--quiet").split() if name.startswith(prefix)]
    stale = [name for name in images if name not in used and name not in keep]
    if stale:
        _ctr("images", "rm", *stale)
    return stale


def _ctr(*arguments: str) -> str:
    result = subprocess.run([*node.ctr(), *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise LocalError(f"containerd at {node.socket()} refused `ctr {arguments[0]}`: {result.stderr.strip()}")
    return result.stdout


def _stream(reference: str, present: Collection[str], log: Path) -> None:
    saving = buildah.command("push", "--quiet", reference, f"docker-archive:/dev/stdout:{reference}")
    importing = [*node.ctr(), "images", "import", "-"]
    try:
        with (
            log.open("ab") as output,
            subprocess.Popen(saving, stdout=subprocess.PIPE, stderr=output, pipesize=archive.CHUNK) as source,
            subprocess.Popen(
                importing, stdin=subprocess.PIPE, stdout=output, stderr=output, pipesize=archive.CHUNK
            ) as sink,
        ):
            try:
                archive.translate(cast("IO[bytes]", source.stdout), cast("IO[bytes]", sink.stdin), reference, present)
            except BaseException:
                # buildah also opens its output for reading, so it would never notice that this reader is gone.
                source.kill()
                sink.kill()
                raise
    except (OSError, KeyError, tarfile.TarError) as error:
        raise LocalError(f"{reference} couldn't be loaded into containerd: {error!r}", log) from error
    if source.returncode or sink.returncode:
        raise LocalError(f"{reference}: buildah exited with {source.returncode}, ctr with {sink.returncode}", log)
