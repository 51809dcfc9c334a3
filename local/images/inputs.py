"""The reference of an image, which consists of its name and a digest of all its inputs.

The same inputs give the same reference on every machine and in any state of the cache, so an existing reference needs
no build. The versions of Debian packages aren't an input: a build takes the current ones.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import contracts
from local import paths
from local.images import containerfile, debian, requirements
from local.images.catalogue import DEBIAN, Image

LOCK = "requirements.txt"
DIGITS = 16


def container_file(image: Image) -> Path:
    """Return the container file of an image."""
    return paths.REPOSITORY / "workloads" / "images" / image.folder / "Containerfile"


def binaries(image: Image) -> tuple[str, ...]:
    """Return the names of the tools that an image contains."""
    return () if image.name == DEBIAN else containerfile.read(container_file(image)).binaries


def reference(image: Image, base: str | None, programs: Mapping[str, Path]) -> str:
    """Return the reference of an image. `base` is its base's reference; `programs` are the files of its `binaries`."""
    digest = hashlib.sha256()
    for part in _parts(image, base, programs):
        digest.update(f"{len(part)}:".encode())
        digest.update(part)
    return f"{contracts.IMAGE_REGISTRY}/{image.name}:{digest.hexdigest()[:DIGITS]}"


def _parts(image: Image, base: str | None, programs: Mapping[str, Path]) -> Iterator[bytes]:
    if image.name == DEBIAN:
        yield debian.recipe().encode()
        return
    inputs = containerfile.read(container_file(image))
    yield "\n".join(inputs.instructions).encode()
    yield repr((base, sorted(image.args.items()))).encode()
    files = [file for pattern in inputs.patterns for file in _files(pattern)]
    for file in files:
        name = file.relative_to(paths.REPOSITORY).as_posix()
        yield name.encode()
        yield _pins(files) if name == LOCK else file.read_bytes()
        yield str(file.stat().st_mode & 0o111).encode()
    for name in inputs.binaries:
        with programs[name].open("rb") as program:
            yield hashlib.file_digest(program, "sha256").digest()


def _pins(files: list[Path]) -> bytes:
    direct = [line for file in files if file.name == "requirements.in" for line in file.read_text().splitlines()]
    lock = (paths.REPOSITORY / LOCK).read_text()
    # A package that only a container file names is compiled in an image that already has its pin.
    return "\n".join(requirements.closure(direct, lock)).encode()


def _files(pattern: str) -> list[Path]:
    """Return the files in the repository that a COPY of `pattern` copies, sorted."""
    found: list[Path] = []
    for path in sorted(paths.REPOSITORY.glob(pattern.rstrip("/"))):
        found += sorted(path.rglob("*")) if path.is_dir() else [path]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]
