"""The trusted public keys: the ones that the stack exports."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aegis.keys import PublicKey, parse

# A PEM file with one or several public keys, or a folder of such files.
TRUSTED_KEYS: Final = "AEGIS_TRUSTED_KEYS"

# In bytes; a key has 178.
_LARGEST: Final = 1 << 20
_PEM: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----", re.DOTALL)
_SUFFIXES: Final = {".pem", ".pub"}


def trusted_keys(path: str | os.PathLike[str] | None = None) -> tuple[PublicKey, ...]:
    """Return the keys of the PEM file or folder at `path`, by default the one that `AEGIS_TRUSTED_KEYS` names.

    A file may hold several keys. In a folder, the files that end in `.pem` or `.pub` count.

    Raises:
        ValueError: No path is given, or there is no key, or one isn't an ECDSA P-256 public key.
        OSError: A file can't be read.
    """
    location = os.environ.get(TRUSTED_KEYS) if path is None else path
    if not location:
        raise ValueError(
            f"{TRUSTED_KEYS} is not set: it must name a PEM file with the trusted public keys, or a folder of them, "
            "such as the stack's output `signing_keys` in a file."
        )
    place = Path(location)
    files = sorted(each for each in place.iterdir() if each.suffix in _SUFFIXES) if place.is_dir() else [place]
    keys = tuple(key for file in files for key in _keys(file))
    if not keys:
        raise ValueError(f"{place} holds no public key in PEM.")
    return keys


def _keys(file: Path) -> Iterator[PublicKey]:
    with file.open("rb") as stream:
        content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"{file} is larger than {_LARGEST >> 20} MiB.")
    found = _PEM.findall(content)
    for number, pem in enumerate(found, start=1):
        yield parse(pem, f"{file} (key {number})" if len(found) > 1 else str(file))
