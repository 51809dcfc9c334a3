"""Loading built images into the cluster's containerd, each layer only once and with nothing written in between."""

import subprocess
import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, cast

from local.cluster import node
from local.errors import LocalError
from local.images import archive, buildah


def loaded() -> set[str]:
    """Return the references of the images that containerd has in full, ready to run.

    Raises:
        LocalError: containerd does not answer.
    """
    return set(_ctr("images", "check", "--quiet").split())


def load(reference: str, log: Path) -> None:
    """Load an image from buildah's storage; containerd shows it under its name only when it is whole.

    Raises:
        LocalError: buildah or containerd failed; names the log.
    """
    present = set(_ctr("content", "ls", "--quiet").split())
    try:
        _stream(reference, present, log)
    except LocalError:
        # A layer that belonged to no image may have been collected as garbage in the meantime.
        _stream(reference, (), log)


def prune(keep: Collection[str], prefix: str) -> list[str]:
    """Delete the images whose references begin with `prefix`, but for `keep` and what containers were made from."""
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
                # buildah opens its output for reading too, so it would never notice that nobody reads it any more.
                source.kill()
                sink.kill()
                raise
    except (OSError, KeyError, tarfile.TarError) as error:
        raise LocalError(f"{reference} could not be loaded into containerd: {error!r}", log) from error
    if source.returncode or sink.returncode:
        raise LocalError(f"{reference}: buildah ended with {source.returncode}, ctr with {sink.returncode}", log)
