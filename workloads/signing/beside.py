"""Check the files that already lie in the folder before anything is replaced."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from aegis import manifest as manifests
from aegis.errors import NotVerifiedError
from contracts import Exit
from workloads.cli import WorkloadError, file_error
from workloads.signing import oms
from workloads.signing.inputs import read_regular
from workloads.signing.keys import parse
from workloads.signing.layout import Layout

_LARGEST_KEY = 1 << 20


def check_replaceable(layout: Layout) -> None:
    """Check that every file of an archive may be replaced.

    Raises:
        WorkloadError: A directory is in the way, or `model.sig`, a common name, doesn't belong to this archive.
    """
    for path in (layout.archive, layout.manifest, *layout.signatures):
        _check_no_directory(path)
    if not _is_own(layout):
        raise WorkloadError(
            f"{layout.model_signature} is not the signature of the files in {layout.manifest.name}: move it away, "
            "or give the archive another name.",
            Exit.USAGE,
        )


def place_public_keys(public_keys: Mapping[Path, bytes], layout: Layout) -> None:
    """Write each key's PEM if it is missing; never replace a key, because other archives are verified with it.

    Raises:
        WorkloadError: A file of that name holds another key.
        OSError: A file can't be written.
    """
    for path, pem in public_keys.items():
        part = layout.hidden()
        try:
            part.write_bytes(pem)
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(part)
        finally:
            part.unlink(missing_ok=True)
    check_public_keys(public_keys)


def check_public_keys(public_keys: Mapping[Path, bytes]) -> None:
    """Check that no file of these names holds another key.

    Raises:
        WorkloadError: A file does.
    """
    for path, pem in public_keys.items():
        try:
            found = parse(read_regular(path, _LARGEST_KEY), str(path)).pem
        except FileNotFoundError:
            continue
        except (OSError, WorkloadError):
            found = b""
        if found != pem:
            raise WorkloadError(
                f"{path} is not the key that signs now, and other archives may be verified with it: "
                "use a separate folder for each key.",
                Exit.USAGE,
            )


def _check_no_directory(path: Path) -> None:
    try:
        blocked = path.is_dir()
    except OSError as error:
        raise file_error(path, "written", error) from error
    if blocked:
        raise WorkloadError(f"{path} is a directory, but a file of that name must be written.", Exit.USAGE)


def _is_own(layout: Layout) -> bool:
    try:
        signature = read_regular(layout.model_signature)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        manifest = manifests.parse(read_regular(layout.manifest), layout.manifest.name)
    except (OSError, NotVerifiedError):
        return False
    return oms.signs(signature, manifest.model, manifest.files)
