"""Write a file so that it appears whole or not at all."""

import errno
import secrets
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Write a file under another name in the same folder, then rename it.

    Raises:
        OSError: It can't be written, or `path` is not a file.
    """
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "it is not a file", str(path))
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        with partial.open("xb") as stream:
            stream.write(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
