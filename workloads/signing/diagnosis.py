"""Explain how a tar stream differs from the expected one, for messages only: nothing is decided here."""

import tarfile
from collections.abc import Callable, Sequence

from aegis.manifest import PackedFile, path_problem
from workloads.signing.archive import TAR_BLOCK

_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.DIRTYPE: "a directory",
}
# In bytes. No file system has longer names, and a message needs no more.
_LONGEST_PAX_BYTES = 65536


def explain(found: bytes, take: Callable[[int], bytes], files: Sequence[PackedFile], position: int) -> str:
    """Return why the header blocks `found` are not those of file number `position`.

    `take` returns the bytes that follow.
    """
    expected = files[position] if position < len(files) else None
    if not any(found[:TAR_BLOCK]):
        return f"{expected.path if expected else 'a file'} is missing in the archive"
    try:
        info, name = _header(found, take)
    except (tarfile.HeaderError, UnicodeError, ValueError):
        return "the archive is damaged: it has no tar header where a file should begin"
    if info.type in _KINDS:
        return f"the archive holds {_KINDS[info.type]}, {name!r}: only regular files are allowed"
    if info.type not in tarfile.REGULAR_TYPES:
        return f"the archive holds an entry of type {info.type!r}, {name!r}: only regular files are allowed"
    if problem := path_problem(name):
        return f"the archive holds {name!r}, which {problem}"
    return _misplaced(name, info.size, files, position)


def _misplaced(name: str, size: int, files: Sequence[PackedFile], position: int) -> str:
    if any(file.path == name for file in files[:position]):
        return f"the archive holds {name} twice"
    if all(file.path != name for file in files):
        return f"the archive holds {name}, which is not in the manifest"
    expected = files[position]
    if expected.path != name:
        return f"{expected.path} is missing in the archive, or misplaced"
    if expected.size != size:
        return f"{name} has {size} bytes in the archive and {expected.size} in the manifest"
    return f"the archive's header of {name} is not in the form that packaging writes"


def _header(found: bytes, take: Callable[[int], bytes]) -> tuple[tarfile.TarInfo, str]:
    data = bytearray(found)

    def block(start: int, size: int) -> bytes:
        missing = start + size - len(data)
        if missing > 0:
            data.extend(take(missing))
        return bytes(data[start : start + size])

    info = tarfile.TarInfo.frombuf(block(0, TAR_BLOCK), "utf-8", "strict")
    if info.type != tarfile.XHDTYPE:
        return info, info.name
    if info.size > _LONGEST_PAX_BYTES:
        raise ValueError("pax header too long")
    records = _pax_records(block(TAR_BLOCK, info.size))
    padded = info.size + -info.size % TAR_BLOCK
    info = tarfile.TarInfo.frombuf(block(TAR_BLOCK + padded, TAR_BLOCK), "utf-8", "strict")
    info.size = int(records.get("size", info.size))
    return info, records.get("path", info.name)


def _pax_records(content: bytes) -> dict[str, str]:
    """Read records of the form `length key=value newline` (POSIX pax interchange format)."""
    records: dict[str, str] = {}
    while content:
        length = int(content.split(b" ", 1)[0])
        record, content = content[:length], content[max(length, 1) :]
        key, _, value = record.partition(b" ")[2].rstrip(b"\n").partition(b"=")
        records[key.decode()] = value.decode()
    return records
