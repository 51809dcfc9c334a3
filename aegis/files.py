"""Compare a model's files with its signed manifest: by their listing, and by reading them."""

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NoReturn

from aegis.errors import NotVerifiedError
from aegis.manifest import Manifest, PackedFile

# In bytes.
_CHUNK: Final = 1 << 20


def check_listing(manifest: Manifest, sizes: Mapping[str, int | None]) -> None:
    """Compare the paths and sizes in bytes of the stored files; a size may be None if the store doesn't tell it.

    Raises:
        NotVerifiedError: A file is missing, was added, or has another size.
    """
    signed = {file.path: file.size for file in manifest.files}
    for path in sorted(sizes.keys() - signed.keys()):
        raise NotVerifiedError(f"the file {path!r} was added after it was signed")
    for path, size in signed.items():
        if path not in sizes:
            raise NotVerifiedError(f"its file {path} is missing")
        if sizes[path] not in (None, size):
            raise NotVerifiedError(f"its file {path} was changed after it was signed: its size differs")


def check_folder(manifest: Manifest, folder: Path) -> None:
    """Read all files of `folder` and compare them with the manifest.

    Raises:
        NotVerifiedError: A file is missing, was added, is not a regular file, or has another content.
        OSError: The folder can't be read.
    """
    check_listing(manifest, {path: os.lstat(folder / path).st_size for path in _paths(folder)})
    with ThreadPoolExecutor() as pool:
        digests = pool.map(lambda file: _sha256(folder / file.path), manifest.files)
        for file, digest in zip(manifest.files, digests, strict=True):
            check_digest(file, digest)


def check_digest(file: PackedFile, sha256: str) -> None:
    """Compare the SHA-256 in hex of a stored file's content.

    Raises:
        NotVerifiedError: It differs.
    """
    if sha256 != file.sha256:
        raise NotVerifiedError(f"its file {file.path} was changed after it was signed")


def _paths(folder: Path) -> list[str]:
    paths = []
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise NotVerifiedError(f"{path.relative_to(folder).as_posix()!r} is not a regular file")
        paths += [Path(parent, name).relative_to(folder).as_posix() for name in files]
    return paths


def _refuse(error: OSError) -> NoReturn:
    """Raise an error that `os.walk` would skip: files in a folder that can't be read would go unseen."""
    raise error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
